"""Twofold beside its peers and its limits: `python -m benchmarks [names] [--quick]`."""
