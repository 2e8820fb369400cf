"""Synthetic scans in the folders and files of the real data sets."""
