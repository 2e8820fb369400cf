"""Whether this machine lets so many processes be started as a Ray has; where it does not, Ray waits for them."""

import os
import resource
from contextlib import suppress
from pathlib import Path

from app.errors import ResourceError

NUM_TASKS, NUM_TASKS_PER_CPU = 200, 30
"""Threads of Ray's own processes, and of a worker for each CPU that it starts with; assumed."""


def check_processes(num_cpus: int) -> None:
    """Raises ResourceError when a limit leaves too little; names it."""
    needed = NUM_TASKS + NUM_TASKS_PER_CPU * num_cpus
    for name, most, now in (_of_user(), _of_group()):
        if most is not None and most - now < needed:
            raise ResourceError(
                f"{name} is {most} processes and threads, of which {now} are taken; a Ray of this machine with "
                f"{num_cpus} CPUs has some {needed}: raise it, end others, or use --launcher local where the job has it"
            )


def _of_user() -> tuple[str, int | None, int]:
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if os.geteuid() == 0 or most == resource.RLIM_INFINITY:  # root's are not counted
        return "", None, 0
    return "the limit of this user (ulimit -u)", most, _num_tasks(os.getuid())


def _num_tasks(user: int) -> int:
    found = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if process.stat().st_uid == user:
                found += sum(1 for _ in (process / "task").iterdir())
    return found


def _of_group() -> tuple[str, int | None, int]:
    """The control group's, as containers and SLURM have it."""
    with suppress(OSError, ValueError, StopIteration):
        own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))[3:]
        folder = Path(f"/sys/fs/cgroup{own}")
        most, now = ((folder / f"pids.{name}").read_text().strip() for name in ("max", "current"))
        if most != "max":
            return f"the limit of this control group ({folder}/pids.max)", int(most), int(now)
    return "", None, 0
