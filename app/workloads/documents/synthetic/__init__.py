"""Synthetic pages in the folders and files of the real data sets."""
