"""What image and text say together."""
