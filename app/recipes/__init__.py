"""Complete studies by name."""
