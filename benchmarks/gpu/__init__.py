"""Step time and samples a second on a GPU."""
