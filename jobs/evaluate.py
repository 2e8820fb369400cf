"""Score a trained run on whole volumes it has not seen; writes RUN/evaluation/SPLIT/cases.csv and summary.json."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class EvaluateBrats:
    """Dice and 95 % Hausdorff distance of each region, over sliding windows."""

    run: str
    """Folder (or URL) of the run, as jobs/train.py made it, or of an exported model."""
    store: str
    """Prepared store, made by jobs/prepare.py."""
    split: Literal["train", "validation", "test"] = "test"
    workers: int = 1
    """Workers that each hold the model and take a case at a time; the result does not depend on their number."""
    overlap: float | None = None
    """Share of a window that its neighbour covers; the run's own final_overlap (0.5) if not given."""
    flips: bool = False
    """Average over the eight flips: eight times the work."""
    launcher: Literal["ray", "local"] = "ray"
    """`local` evaluates in this process, without Ray."""


def main(arguments: EvaluateBrats) -> None:
    from app.console import say
    from app.execution.evaluate import evaluate_run
    from app.workloads.brats.evaluation import CONVENTIONS

    start_s = time.monotonic()
    if arguments.workers < 1:
        raise ValueError(f"--workers: got {arguments.workers}, wanted 1 or more")
    evaluation = evaluate_run(
        absolute(arguments.run),
        absolute(arguments.store),
        arguments.split,
        arguments.workers,
        arguments.launcher,
        window_options(arguments.overlap, arguments.flips),
        CONVENTIONS,
    )
    for line in table(evaluation):
        say(line)
    written = f"{arguments.run.rstrip('/')}/evaluation/{arguments.split}"
    say(f"{written}: {evaluation.num_cases} cases, {time.monotonic() - start_s:.1f} s")


def table(evaluation: Any) -> list[str]:
    """One line a score: mean, interval, number of cases; then the conventions."""
    lines = [f"{'score':<14}{'mean':>9}   {'95 % interval':<19}{'cases':>6}"]
    for name, score in evaluation.scores.items():
        mean = "-" if score.mean is None else f"{score.mean:.4f}"
        interval = "-" if score.low is None else f"{score.low:.4f} to {score.high:.4f}"
        lines.append(f"{name:<14}{mean:>9}   {interval:<19}{score.num_cases:>6}")
    return lines + [f"({convention})" for convention in evaluation.conventions]


def window_options(overlap: float | None, flips: bool) -> dict[str, Any]:
    """The task's options that the flags replace."""
    return {**({} if overlap is None else {"final_overlap": overlap}), **({"mirror": True} if flips else {})}


def absolute(path: str) -> str:
    """Workers run in folders of their own."""
    return path if "://" in path else str(Path(path).resolve())


if __name__ == "__main__":
    from app.command_line import run

    run({"brats": EvaluateBrats}, main, description=__doc__)
