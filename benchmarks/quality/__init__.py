"""Dice after the same minutes, beside a network that MONAI's pipeline trained."""
