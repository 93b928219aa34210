"""Face detectors and embedders behind one small interface; chosen by the recipe's words."""
