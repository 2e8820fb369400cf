"""Twofold: many models trained on one cluster in the least time."""
