"""Shot boundaries: detectors of cuts and gradual transitions, and what refines them."""
