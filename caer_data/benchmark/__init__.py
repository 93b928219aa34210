"""`caer-data benchmark`: CAER-Net, its ablations and baselines on an exported dataset."""
