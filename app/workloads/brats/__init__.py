"""Brain tumour segmentation: what is about brains; `volumes` has the rest. labels.py and task.py are for all parts."""
