"""Pages prepared and read, beside Pillow's decode and resize."""
