"""Data sets as they come: which files are pages, of which class, split and document."""
