import subprocess
import sys

import pytest

from app.training.process import tune_process

PAGE_FAULTS = """
import resource, sys
import numpy as np
from app.training.process import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()
np.ones(2**23)  # 64 MiB, freed at once
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2**23)
sys.stdout.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_freed_memory_is_used_again_without_asking_the_kernel() -> None:
    """In a process of its own, as the setting stays for good."""
    faults = {}
    for mode in ("kept", "given back"):
        done = subprocess.run([sys.executable, "-c", PAGE_FAULTS, mode], capture_output=True, text=True, check=True)
        faults[mode] = int(done.stdout)
    assert faults["kept"] < 10
    assert faults["given back"] > 20  # 16384 pages of 4 KiB, or 32 of 2 MiB


def test_no_threads_are_refused() -> None:
    with pytest.raises(ValueError, match="num_threads"):
        tune_process(0)
