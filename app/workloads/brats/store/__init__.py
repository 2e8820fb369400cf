"""The prepared store of scans: made from a source, opened for training."""
