"""Whole volumes segmented and scored."""
