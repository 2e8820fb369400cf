"""Patches a second that training is fed with, beside MONAI's data sets and nnU-Net's loader."""
