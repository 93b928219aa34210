"""`caer-data audit`: whatever folder holds a dataset, does anything leak between its splits?"""
