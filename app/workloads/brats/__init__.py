"""Brain tumour segmentation. labels.py, spacing.py and task.py are what all its parts speak of."""
