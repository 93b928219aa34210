"""Runs inside Label Studio's own Python environment: imports nothing from caer_data."""
