"""The demo's last part: four trainings by two strategies, one worker for each and all workers for each, compared; then
what they took is the profile by which a longer study is planned, run, and held against its plan."""

from pathlib import Path

from demo_steps import Step, Steps, newer

NUM_STEPS = 6
FULL, QUICK = 6, 2
"""Epochs of each training; of the planned ones twice as many."""
STRATEGIES = ("experiment-parallel", "data-parallel")
PLANNED = "planned"


def walk(epochs: int, store: Path, folder: Path, num_workers: int, show: Steps) -> None:
    """NUM_STEPS steps."""
    from app.run_folder.study import PLAN, RECORD

    of, first = ["--store", str(store), "--runs", str(folder)], folder / STRATEGIES[0]
    numerics = ["--numerics", str(first)]
    for strategy in STRATEGIES:
        how = ["--strategy", strategy, "--workers", str(num_workers), "--name", strategy]
        same = [] if folder / strategy == first else numerics
        show.run(Step(f"Train four networks, {strategy}", ["study", *asked(epochs), *of, *how, *same]))
    done = [str(folder / strategy) for strategy in STRATEGIES]
    records = [folder / strategy / RECORD.name for strategy in STRATEGIES]
    report, page, profile = (folder / name for name in ("report.html", "plan.html", "profile.json"))
    show.run(
        Step("Compare them", ["report", "--study", *done, "--out", str(report)], have=newer(report, *records)),
    )
    numbers = sorted({num_workers, 4, 8})
    longer = ["plan", *asked(2 * epochs), "--profile-from", *done, "--workers", *map(str, numbers)]
    out = ["--save-profile", str(profile), "--out", PLAN.path(str(folder)), "--page", str(page)]
    show.run(
        Step(
            "Say what trainings of twice the length will take, by each strategy, here and on more workers",
            [*longer, *out],
            have=newer(page, *records),
        )
    )
    how = ["--profile", str(profile), "--workers", str(num_workers), "--name", PLANNED]
    show.run(Step("Train them by the fastest plan", ["study", *asked(2 * epochs), *of, *how, *numerics]))
    report = folder / PLANNED / "report.html"
    show.run(
        Step(
            "Hold what they took against the plan",
            ["report", "--study", str(folder / PLANNED), "--out", str(report)],
            have=newer(report, folder / PLANNED / RECORD.name),
        )
    )


def asked(epochs: int) -> list[str]:
    return ["--recipe", "brats-smoke", "--options", f"epochs={epochs}"]
