"""The report on a study under one strategy or several."""
