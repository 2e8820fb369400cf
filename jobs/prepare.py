"""Verify raw data and convert it once into a prepared store; started again, it finishes what is missing."""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

from app.command_line import absolute
from app.workloads.declaration import PrepareFlags


def main(arguments: PrepareFlags) -> None:
    from app.data.store.ownership import held
    from app.execution.engine import JobEngine

    arguments.check()
    with held(absolute(arguments.store), "the store"):
        arguments.prepare(JobEngine(arguments.launcher, num_cpus=arguments.num_cpus))


if __name__ == "__main__":
    from functools import partial

    from app.command_line import run
    from app.workloads.registry import subcommands

    run(partial(subcommands, "prepare"), main, description=__doc__)
