"""A workload of another kind, as small as one can be: regression on rows of numbers from a CSV file."""
