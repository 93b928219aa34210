"""Frames and how they reach the model: sources, the store, batches, augmentation."""
