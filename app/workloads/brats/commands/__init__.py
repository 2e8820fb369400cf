"""What the jobs do for brain scans: their flags, and the work behind them."""
