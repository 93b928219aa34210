"""Data of the benchmark: sources, the store of frames, batches, augmentation."""
