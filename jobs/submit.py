"""Run a job on a cluster and follow it to its end: as `ray job submit`, but with the job's own exit code.

Example: jobs/submit.py --address http://localhost:8265 -- python jobs/study.py --recipe distmis-grid ...
"""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Args:
    command: Annotated[tuple[str, ...], tyro.conf.Positional]
    """After `--`: the job's command, run in the copy of the working folder."""
    address: str | None = None
    """Address of the job server, http://HOST:8265. Default: RAY_ADDRESS."""
    working_dir: str = "."
    """Folder to send; what .gitignore and .rayignore name stays here."""
    wait: bool = True
    """`--no-wait` only starts the job."""


def main(arguments: Args) -> None:
    from app.command_line import fail
    from app.console import say
    from app.errors import UsageError
    from app.execution.cluster.submit import connect, follow, submit

    if not arguments.command:
        raise UsageError("no command given; expected, after `--`, for example: python jobs/study.py --recipe ...")
    client = connect(arguments.address)
    job = submit(client, arguments.command, arguments.working_dir)
    say(f"{job}: submitted; `ray job stop {job}` ends it")
    if not arguments.wait:
        return
    try:
        end = follow(client, job)
    except KeyboardInterrupt:
        fail(f"no longer followed: {job} goes on; `ray job logs -f {job}` shows it, `ray job stop {job}` ends it", 130)
    say(f"{job}: {end.status.lower()}")
    if end.exit_code:
        fail(f"{job}: {end.message}".splitlines()[0], end.exit_code)


if __name__ == "__main__":
    from app.command_line import run

    run(Args, main)
