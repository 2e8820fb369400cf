"""Many trainings on Ray Tune by a plan, and what is left of them for a restart."""
