"""What this machine gives to this process."""

import os
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


def num_cores() -> int:
    """Cores that this process may run on; where the system does not say (macOS), all that there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """Memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@dataclass(frozen=True)
class ProcessLimit:
    """How many processes and threads there may be, and are."""

    name: str
    most: int
    now: int

    def __str__(self) -> str:
        return f"{self.name} is {self.most} processes and threads, of which {self.now} are taken"


def process_limits() -> list[ProcessLimit]:
    """Those that this process is under."""
    return [limit for limit in (_of_user(), _of_group()) if limit is not None]


def _of_user() -> ProcessLimit | None:
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if os.geteuid() == 0 or most == resource.RLIM_INFINITY:  # root's are not counted
        return None
    return ProcessLimit("the limit of this user (ulimit -u)", most, _num_tasks(os.getuid()))


def _num_tasks(user: int) -> int:
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if process.stat().st_uid == user:
                found += sum(1 for _ in (process / "task").iterdir())
    return found


def _of_group() -> ProcessLimit | None:
    """The control group's, as containers and SLURM have it."""
    with suppress(OSError, ValueError, StopIteration):
        own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))[3:]
        folder = Path(f"/sys/fs/cgroup{own}")
        most, now = ((folder / f"pids.{name}").read_text().strip() for name in ("max", "current"))
        if most != "max":
            return ProcessLimit(f"the limit of this control group ({folder}/pids.max)", int(most), int(now))
    return None
