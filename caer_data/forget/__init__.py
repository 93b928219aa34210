"""Permanent removal of people and footage from a dataset."""
