"""Shot boundaries: detection and refinement of cuts and gradual transitions."""
