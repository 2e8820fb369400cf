"""Settings of the whole process that make training on a CPU faster. They change no result."""

import ctypes
import os
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import UsageError
from app.machine import memory_bytes, num_cores
from app.strict_json import whole_number

if TYPE_CHECKING:
    import torch

M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
"""Parameters of mallopt(3), from glibc's malloc.h."""


def tune_process(num_threads: int) -> None:
    """Set torch's threads for one operation and keep freed memory for the next step. Call it before training.

    By default glibc takes each large tensor anew from the kernel and gives it back when freed, and the kernel clears
    every page of it again: a fifth to a third of a 3D training step on a CPU (measured). Kept memory is used again.
    The process then stays at its peak size until the training ends (`give_back_memory`).

    Raises:
        UsageError: fewer than one thread.
    """
    if num_threads < 1:
        raise UsageError(f"num_threads: got {num_threads}, expected 1 or more")
    import torch

    torch.set_num_threads(min(num_threads, thread_limit(os.environ)))
    keep_freed_memory()


def threads_per_worker(workers_on_node: int) -> int:
    """Cores of this machine shared among its workers."""
    return max(1, num_cores() // workers_on_node)


def thread_limit(environment: Mapping[str, str]) -> int:
    """What OMP_THREAD_LIMIT allows. OpenMP gives no more whatever torch asks for, and oneDNN's kernels then wait for
    the missing threads forever (seen: the weight gradient of a 1x1 convolution)."""
    return whole_number(environment.get("OMP_THREAD_LIMIT", "")) or sys.maxsize


def keep_freed_memory() -> bool:
    """True when the C library took the settings; False where it has none (not glibc), which is harmless."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    # The value of M_TRIM_THRESHOLD is read as unsigned: -1 is the largest size, so that the heap never shrinks.
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, -1))


def give_back_memory() -> None:
    """Hand what was freed and kept back to the kernel, between trainings: the next may need less, and others more."""
    if not sys.platform.startswith("linux"):
        return
    with suppress(AttributeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)


def forget_peak(device: "torch.device") -> None:
    """Count the most memory held anew, for the training that begins. Where that cannot be asked for, it goes on."""
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak of resident memory becomes what there is now


def peak_and_limit_bytes(device: "torch.device") -> tuple[int, int]:
    """Most that this process held since `forget_peak`, of a GPU as torch reserved it, else of the host; and how much
    there is."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device), torch.cuda.get_device_properties(device).total_memory
    try:
        return high_water_bytes(Path("/proc/self/status").read_text()), memory_bytes()
    except (OSError, ValueError):  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, memory_bytes()


def high_water_bytes(status: str) -> int:
    """VmHWM, the most that was resident, of the text of /proc/PID/status, which counts in KiB.

    Raises:
        ValueError: it is not in there.
    """
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no VmHWM in the status of this process")
