"""Access to video files: probing, decoding, comparing, cutting."""
