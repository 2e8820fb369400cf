"""One scan: read without trust, brought to one orientation, written back."""
