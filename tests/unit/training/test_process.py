import os
import subprocess
import sys

import pytest

from app.command_line import ENVIRONMENT
from app.training.process import high_water_bytes, thread_limit, tune_process

PAGE_FAULTS = """
import resource, sys, threading
import numpy as np
from app.training.process import keep_freed_memory

def measure():
    if sys.argv[1] == "kept":
        assert keep_freed_memory()
    np.ones(2**24)  # 128 MiB, freed at once
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**24)
    sys.stdout.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before))

if sys.argv[2] == "main":
    measure()
else:
    thread = threading.Thread(target=measure)
    thread.start()
    thread.join()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
@pytest.mark.parametrize("thread", ["main", "other"])
def test_freed_memory_is_used_again_without_asking_the_kernel(thread: str) -> None:
    """In a process of its own, as the setting stays for good; also in a thread, where Ray runs the training."""
    faults = {}
    for mode in ("kept", "given back"):
        done = subprocess.run(
            [sys.executable, "-c", PAGE_FAULTS, mode, thread],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **ENVIRONMENT},
        )
        faults[mode] = int(done.stdout)
    assert faults["kept"] < 10
    assert faults["given back"] > 20  # 32768 pages of 4 KiB, or 64 of 2 MiB


PEAKS = """
import sys
import numpy as np
import torch
from app.training.process import forget_peak, give_back_memory, keep_freed_memory, peak_and_limit_bytes

cpu = torch.device("cpu")
keep_freed_memory()
small = [np.ones(2**17) for _ in range(256)]  # 256 MiB, in pieces of 1 MiB
large = peak_and_limit_bytes(cpu)[0]
del small
if sys.argv[1] == "given back":
    give_back_memory()
forget_peak(cpu)
sys.stdout.write(str(large - peak_and_limit_bytes(cpu)[0]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what glibc and /proc do")
def test_a_training_is_not_charged_with_the_memory_of_the_one_before_it() -> None:
    less = {}
    for mode in ("given back", "kept"):
        command = [sys.executable, "-c", PEAKS, mode]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **ENVIRONMENT})
        less[mode] = int(done.stdout)
    assert less["given back"] > 200 * 2**20
    assert less["kept"] < 50 * 2**20, "freed, but still of this process"


def test_the_peak_is_read_from_what_the_kernel_tells() -> None:
    assert high_water_bytes("VmPeak:\t 9000 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1000 kB\n") == 2 * 2**20
    with pytest.raises(ValueError, match="no VmHWM"):
        high_water_bytes("VmRSS: 1 kB")


def test_no_threads_are_refused() -> None:
    with pytest.raises(ValueError, match="num_threads"):
        tune_process(0)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({"OMP_THREAD_LIMIT": "1"}, 1), ({"OMP_THREAD_LIMIT": "6"}, 6), ({"OMP_THREAD_LIMIT": "x"}, sys.maxsize)],
)
def test_no_more_threads_than_openmp_gives(environment: dict[str, str], expected: int) -> None:
    assert thread_limit(environment) == expected


def test_threads_that_openmp_refuses_are_not_asked_for() -> None:
    """Else oneDNN waits for them forever."""
    code = (
        "import sys, torch; from app.training.process import tune_process; tune_process(2); "
        "sys.stdout.write(str(torch.get_num_threads()))"
    )
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "1"
