"""What every page is made of: markup, charts, style, numbers in words."""
