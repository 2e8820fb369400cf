"""What this machine gives to this process."""

import os


def num_cores() -> int:
    """Cores that this process may run on; where the system does not say (macOS), all that there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
