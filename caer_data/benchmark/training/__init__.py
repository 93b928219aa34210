"""Training, checkpoints, predictions and their scores."""
