"""DistMIS's cluster, fitted to its two published speed-ups."""
