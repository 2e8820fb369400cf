"""What the jobs do for document pages: their flags, and the work behind them."""
