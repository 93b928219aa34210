"""Everything that touches video files: probing, decoding, cutting."""
