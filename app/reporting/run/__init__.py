"""The report on one training."""
