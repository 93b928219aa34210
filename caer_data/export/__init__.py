"""`caer-data export`: a dataset others can load, with splits that do not leak."""
