"""Four and eight trainings as a study, beside plain processes and torchrun."""
