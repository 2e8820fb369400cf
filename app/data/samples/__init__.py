"""Which sample is in which split and which batch, and how it gets to a worker."""
