"""Steady samples a second of whole trainings, fed by Ray Data and by workers that read for themselves."""
