"""Permanent removal of what a person or an owner wants out of a dataset."""
