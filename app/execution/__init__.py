"""Trainings, studies and uses of models on Ray."""
