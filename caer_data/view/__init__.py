"""`caer-data view`: a dataset in a browser, served only on this machine."""
