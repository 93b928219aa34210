"""The self-test: synthetic clips and the statements that a model must meet on them."""
