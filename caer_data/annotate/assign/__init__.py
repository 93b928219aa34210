"""Which rater sees which clip, and in what order."""
