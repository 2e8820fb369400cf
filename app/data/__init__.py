"""Files, splits and the order of samples; without torch, and without knowing a workload."""
