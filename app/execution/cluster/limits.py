"""Whether this machine lets so many processes be started as a Ray has; where it does not, Ray waits for them."""

from app.errors import ResourceError
from app.machine import process_limits

NUM_TASKS, NUM_TASKS_PER_CPU = 200, 30
"""Threads of Ray's own processes, and of a worker for each CPU that it starts with; assumed."""


def check_processes(num_cpus: int) -> None:
    """Raises ResourceError when a limit leaves too little; names it."""
    needed = NUM_TASKS + NUM_TASKS_PER_CPU * num_cpus
    for limit in process_limits():
        if limit.most - limit.now < needed:
            raise ResourceError(
                f"{limit}; a Ray of this machine with {num_cpus} CPUs has some {needed}: raise it, end others, or use "
                "--launcher local where the job has it"
            )
