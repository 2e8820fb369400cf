"""Start, look at and stop the cluster of a cluster.yaml whose machines exist already.

Example: jobs/cluster.py up, then `ray dashboard cluster.yaml` and jobs/submit.py; jobs/cluster.py down at the end.
"""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

from dataclasses import dataclass


@dataclass(frozen=True)
class Up:
    """Check every machine, start Ray on all of them, and wait until each has joined."""

    file: str = "cluster.yaml"
    """The machines, and how they are reached."""
    restart: bool = False
    """Start Ray again where it runs: its running jobs end. Else files are brought up to date and missing machines
    taken in."""


@dataclass(frozen=True)
class Status:
    """Which machines have joined; exit code 4 where one has not."""

    file: str = "cluster.yaml"
    """The machines, and how they are reached."""


@dataclass(frozen=True)
class Down:
    """Stop Ray on every machine."""

    file: str = "cluster.yaml"
    """The machines, and how they are reached."""


def main(arguments: Up | Status | Down) -> None:
    from app.execution.cluster import hosts

    found = hosts.read_hosts_file(arguments.file)
    if isinstance(arguments, Up):
        hosts.up(found, arguments.restart)
    elif isinstance(arguments, Down):
        hosts.down(found)
    else:
        hosts.status(found)


if __name__ == "__main__":
    from app.command_line import run

    run({"up": Up, "status": Status, "down": Down}, main)
