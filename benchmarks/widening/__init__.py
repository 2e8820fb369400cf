"""A study whose last training takes over a free worker, beside the same study without."""
