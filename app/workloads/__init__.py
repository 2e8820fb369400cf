"""What is trained: each workload is a folder, and a line in registry.py."""
