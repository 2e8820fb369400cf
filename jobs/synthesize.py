"""Make a small or full-size data set of synthetic cases or pages in the exact format of a real one."""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

from app.workloads.declaration import SynthesizeFlags


def main(arguments: SynthesizeFlags) -> None:
    from app.machine import num_cores

    arguments.check()
    arguments.synthesize(arguments.num_processes or num_cores())


if __name__ == "__main__":
    from functools import partial

    from app.command_line import run
    from app.workloads.registry import subcommands

    run(partial(subcommands, "synthesize"), main, description=__doc__)
