"""From raw volumes to a report, in a few minutes on two cores: every step is a job, shown as one would type it.

Started again, it goes on where it stopped and keeps what is finished.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

STOP_S = 30.0
"""Assumed: what a job needs to end Ray."""


@dataclass(frozen=True)
class Args:
    runs: str = "runs"
    """Folder for everything the demo makes: RUNS/demo."""
    workers: int = 2
    """Workers that train together; 1 on a machine with one core."""
    quick: bool = False
    """A few cases and epochs, to see that everything runs; what it finds is not judged."""
    fresh: bool = False
    """Delete what an earlier demo left and start anew."""


@dataclass(frozen=True)
class Size:
    """How much the demo does. Takes about six minutes on two cores (measured)."""

    num_cases: int = 24
    shape: tuple[int, int, int] = (96, 96, 80)
    """Voxels of a volume along X Y Z."""
    seed: int = 1
    """Of the invented scans: the first seed whose validation and test scans all hold every region. Where one is
    missing, its Dice is 0 or 1 by a single voxel, which says little with four scans."""
    epochs: int = 14
    evaluate_every_epochs: int = 7
    batch_size: int = 4
    samples_per_case: int = 4
    patch_size: tuple[int, int, int] = (48, 48, 48)
    foreground_share: float = 0.7
    filters: tuple[int, ...] = (8, 16, 32, 64)
    learning_rate: float = 0.02
    wanted_dice: float | None = 0.7
    """Mean over regions and held-out cases that counts as "clearly found"."""


FULL = Size()
QUICK = Size(
    num_cases=8,
    shape=(48, 48, 40),
    epochs=2,
    evaluate_every_epochs=1,
    batch_size=2,
    samples_per_case=1,
    patch_size=(32, 32, 32),
    filters=(4, 8),
    wanted_dice=None,
)


def main(arguments: Args) -> None:
    import shutil

    if arguments.workers < 1:
        raise ValueError(f"--workers: got {arguments.workers}, wanted 1 or more")
    size = QUICK if arguments.quick else FULL
    run = Path(arguments.runs) / "demo"
    if arguments.fresh and run.exists():
        shutil.rmtree(run)
    walk(size, run, arguments.workers)


def walk(size: Size, run: Path, num_workers: int) -> None:
    """The whole way, a job after the other."""
    from app.console import say

    raw, store, predictions = run / "data" / "raw", run / "data" / "store", run / "predictions"
    summary = run / "evaluation" / "test" / "summary.json"
    workers = ["--workers", str(num_workers)]
    show = Steps()
    show.run(
        "Invent brain scans with tumours, in the format of the Medical Segmentation Decathlon",
        ["synthesize", "brats", "--out", str(raw), *count(size), *flag("shape", size.shape)],
    )
    show.run("Verify them, and convert them once", ["prepare", "brats", "--source", str(raw), "--store", str(store)])
    show.run(
        f"Train a 3D U-Net on {num_workers} worker{'s' if num_workers > 1 else ''}",
        [
            "train",
            "brats",
            "--store",
            str(store),
            "--runs",
            str(run.parent),
            "--name",
            run.name,
            *workers,
            *training(size),
        ],
    )
    trained = run / "record.json"
    show.run(
        "Score it on volumes that it has never seen",
        ["evaluate", "brats", "--run", str(run), "--store", str(store), *workers],
        have=summary if is_newer(summary, trained) else None,
    )
    check(summary, size.wanted_dice)
    known = f"{raw}/imagesTr/{a_test_case(store)}.nii.gz"
    picture = predictions / (Path(known).name.removesuffix(".nii.gz") + ".png")
    show.run(
        "Segment a scan that nobody has labelled, and one of the test split beside its truth",
        ["predict", "brats", "--model", str(run), "--input", f"{raw}/imagesTs", known, *picturing(raw, predictions)],
        have=picture if is_newer(picture, trained) else None,
    )
    show.run("Write the report", ["report", "--run", str(run)])
    say(f"\nThe report: {(run / 'report.html').resolve()}")
    say(f"Everything took {show.elapsed_s():.0f} s.")


class Steps:
    """Runs jobs one after the other, each under its title and its command."""

    num_steps = 6

    def __init__(self) -> None:
        self._start_s = time.monotonic()
        self._number = 0

    def elapsed_s(self) -> float:
        return time.monotonic() - self._start_s

    def run(self, title: str, job: list[str], have: Path | None = None) -> None:
        """Run jobs/<job>.py and wait for it; `have` names the result that an earlier demo left.

        Raises:
            TwofoldError: the job failed; carries its exit code.
        """
        from app.console import say

        self._number += 1
        say(f"\n[{self._number}/{self.num_steps}] {title}  ({self.elapsed_s():.0f} s so far)")
        name, *flags = job
        script = os.path.relpath(Path(__file__).parent / f"{name}.py")
        say(f"$ {shlex.join([os.path.relpath(sys.executable), script, *flags])}")
        if have is not None:
            say(f"kept from before: {have}")
            return
        exit_code = run_process([sys.executable, script, *flags])
        if exit_code:
            raise failed(name, exit_code)


def run_process(command: list[str]) -> int:
    """Its exit code; its output goes where ours goes. Stopped by the user, it gets the time to stop well."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            try:
                process.wait(STOP_S)  # the terminal has sent it the same signal
            except subprocess.TimeoutExpired:
                process.terminate()
            raise


def failed(job: str, exit_code: int) -> Exception:
    """The job has said why; the demo ends with the same exit code."""
    from app.errors import TwofoldError

    error = TwofoldError(
        f"the demo stops here: jobs/{job}.py ended with exit code {exit_code}; its reason stands above"
    )
    error.exit_code = exit_code if exit_code > 0 else 1
    return error


def check(summary: Path, wanted_dice: float | None) -> None:
    """Raises TrainingError when the regions are not clearly found in the held-out cases."""
    from app.console import say
    from app.errors import TrainingError

    dice = json.loads(summary.read_text())["scores"]["dice"]["mean"]
    if wanted_dice is None:
        say(f"mean Dice {dice:.3f} (a quick demo: not judged)")
        return
    if dice <= wanted_dice:
        raise TrainingError(
            f"the regions are not clearly found: mean Dice {dice:.3f} on the held-out cases, "
            f"wanted more than {wanted_dice}"
        )
    say(f"mean Dice {dice:.3f} on the held-out cases: the regions are clearly found (wanted: more than {wanted_dice})")


def a_test_case(store: Path) -> str:
    """The id of the first case of the test split."""
    from app.data.manifest import read_manifest
    from app.data.splits import TEST

    return min(str(row["id"]) for row in read_manifest(str(store)) if row["split"] == TEST)


def is_newer(path: Path, than: Path) -> bool:
    return path.exists() and path.stat().st_mtime >= than.stat().st_mtime


def picturing(raw: Path, predictions: Path) -> list[str]:
    return ["--truth", f"{raw}/labelsTr", "--out", str(predictions)]


def count(size: Size) -> list[str]:
    return ["--num-cases", str(size.num_cases), "--num-test-cases", "1", "--seed", str(size.seed)]


def training(size: Size) -> list[str]:
    return [
        *("--epochs", str(size.epochs), "--evaluate-every-epochs", str(size.evaluate_every_epochs)),
        *("--batch-size", str(size.batch_size), "--optimizer.learning-rate", str(size.learning_rate)),
        *flag("task.filters", size.filters),
        *flag("task.patch-size", size.patch_size),
        *("--task.samples-per-case", str(size.samples_per_case)),
        *("--task.foreground-share", str(size.foreground_share)),
    ]


def flag(name: str, values: tuple[int, ...]) -> list[str]:
    return [f"--{name}", *(str(value) for value in values)]


if __name__ == "__main__":
    from app.command_line import run

    run(Args, main)
