"""One training on Ray Train's workers, from its folder to its record."""
