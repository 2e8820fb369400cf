"""Document classification: what image and text share, and a folder for each of the two."""
