"""Seconds a volume of the sliding window, beside MONAI's inferer on the same weights."""
