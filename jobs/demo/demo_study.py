"""The demo's last part: four trainings by two strategies, one worker for each and all workers for each, compared."""

from pathlib import Path

from demo_steps import Step, Steps, newer

NUM_STEPS = 3
FULL, QUICK = 6, 2
"""Epochs of each training."""
STRATEGIES = ("experiment-parallel", "data-parallel")


def walk(epochs: int, store: Path, folder: Path, num_workers: int, show: Steps) -> None:
    """The same study by each strategy, in the numerics that the first has chosen, then one page on both; NUM_STEPS
    steps."""
    first = folder / STRATEGIES[0]
    for strategy in STRATEGIES:
        show.run(
            Step(
                f"Train four networks, {strategy}",
                [
                    *("study", "--recipe", "brats-smoke", "--options", f"epochs={epochs}"),
                    *("--store", str(store), "--strategy", strategy),
                    *("--workers", str(num_workers), "--runs", str(folder), "--name", strategy),
                    *(() if folder / strategy == first else ("--numerics", str(first))),
                ],
            )
        )
    from app.run_folder.study import RECORD

    report = folder / "report.html"
    records = [folder / strategy / RECORD.name for strategy in STRATEGIES]
    show.run(
        Step(
            "Compare them",
            ["report", "--study", *(str(folder / strategy) for strategy in STRATEGIES), "--out", str(report)],
            have=newer(report, *records),
        )
    )
