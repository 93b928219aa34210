"""Pages to look at, and what the terminal shows of a dataset."""
