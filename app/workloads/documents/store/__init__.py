"""The prepared store of pages: made from a source, opened for training."""
