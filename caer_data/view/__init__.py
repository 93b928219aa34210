"""A dataset in a browser: what `caer-data view` serves, on this machine only."""
