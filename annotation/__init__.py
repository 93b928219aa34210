"""The labelling page and the guidelines for raters."""
