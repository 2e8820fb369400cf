"""Prepared cases a second, beside nnU-Net's fingerprint and preprocessing and the parts that nobody can leave out."""
