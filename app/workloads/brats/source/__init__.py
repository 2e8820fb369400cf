"""Data sets as they come: whose files are whose, and what their labels mean."""
