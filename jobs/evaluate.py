"""Score a trained run on cases that it has not seen; writes RUN/evaluation/SPLIT/cases.csv and summary.json."""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

import time
from typing import Any

from app.command_line import absolute
from app.workloads.declaration import Engine, EvaluateFlags


def main(arguments: Any) -> None:
    from app.errors import UsageError
    from app.execution.engine import JobEngine

    if arguments.workers < 1:
        raise UsageError(f"--workers: got {arguments.workers}, expected 1 or more")
    engine = JobEngine(arguments.launcher, arguments.workers)
    if isinstance(arguments, EvaluateFlags):
        evaluate(arguments, engine)
    else:
        arguments.evaluate(engine)


def evaluate(arguments: EvaluateFlags, engine: Engine) -> None:
    from app.console import say

    start_s = time.monotonic()
    evaluation = engine.evaluate(
        absolute(arguments.run),
        absolute(arguments.store),
        arguments.split,
        arguments.task_options(),
        arguments.conventions(),
        arguments.workloads,
    )
    for line in table(evaluation):
        say(line)
    written = f"{arguments.run.rstrip('/')}/evaluation/{arguments.split}"
    say(f"{written}: {evaluation.num_cases} cases, {time.monotonic() - start_s:.1f} s")


def table(evaluation: Any) -> list[str]:
    """One line a score: mean, interval, number of cases; then the conventions."""
    width = max([14, *(len(name) + 2 for name in evaluation.scores)])
    lines = [f"{'score':<{width}}{'mean':>9}   {'95 % interval':<19}{'cases':>6}"]
    for name, score in evaluation.scores.items():
        mean = "-" if score.mean is None else f"{score.mean:.4f}"
        interval = "-" if score.low is None else f"{score.low:.4f} to {score.high:.4f}"
        lines.append(f"{name:<{width}}{mean:>9}   {interval:<19}{score.num_cases:>6}")
    return lines + [f"({convention})" for convention in evaluation.conventions]


if __name__ == "__main__":
    from functools import partial

    from app.command_line import run
    from app.workloads.registry import subcommands

    run(partial(subcommands, "evaluate"), main, description=__doc__)
