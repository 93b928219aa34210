"""Taking back: what a person or an owner wants out of a dataset, removed permanently."""
