"""`caer-data audit`: audit the splits of any dataset in a folder for leaks."""
