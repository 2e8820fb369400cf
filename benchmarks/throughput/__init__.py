"""Steady samples a second of a training, beside torchrun with the same loop."""
