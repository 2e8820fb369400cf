"""What is trained: each workload is a folder and a line in registry.py (docs/workloads.md); `volumes` is what workloads
of volumes share."""
