"""The demo's first half: brain scans in; a trained and scored 3D U-Net, segmented scans out."""

from dataclasses import dataclass
from pathlib import Path

from demo_steps import Step, Steps, flag, newer

NUM_STEPS = 5


@dataclass(frozen=True)
class Size:
    """How much the demo does. Takes about six minutes on two cores (measured)."""

    num_cases: int = 24
    shape: tuple[int, int, int] = (96, 96, 80)
    """Voxels of a volume along X Y Z."""
    seed: int = 1
    """Seed of the synthetic scans: the first whose validation and test scans all hold every region. Where one is
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


def walk(size: Size, run: Path, num_workers: int, show: Steps) -> None:
    """The way of the scans, a job after the other; NUM_STEPS of them."""
    from app.run_folder.run import EVALUATIONS, PREDICTIONS, RECORD, SUMMARY

    raw, store, predictions = run / "data" / "raw", run / "data" / "store", run / PREDICTIONS
    summary, trained = run / EVALUATIONS / "test" / SUMMARY.name, run / RECORD.name
    on_store, workers = ["--store", str(store)], ["--workers", str(num_workers)]
    show.run(
        Step(
            "Generate synthetic brain scans with tumours, in the format of the Medical Segmentation Decathlon",
            ["synthesize", "brats", "--out", str(raw), *count(size), *flag("shape", size.shape)],
        )
    )
    show.run(Step("Verify them, and convert them once", ["prepare", "brats", "--source", str(raw), *on_store]))
    naming = ["--runs", str(run.parent), "--name", run.name]
    show.run(
        Step(
            f"Train a 3D U-Net on {num_workers} worker{'s' if num_workers > 1 else ''}",
            ["train", "brats", *on_store, *naming, *workers, *training(size)],
        )
    )
    show.run(
        Step(
            "Score it on volumes that it has never seen",
            ["evaluate", "brats", "--run", str(run), *on_store, *workers],
            have=newer(summary, trained),
        )
    )
    check(summary, size.wanted_dice)
    known = f"{raw}/imagesTr/{a_test_case(store)}.nii.gz"
    picture = predictions / (Path(known).name.removesuffix(".nii.gz") + ".png")
    show.run(
        Step(
            "Segment a scan that nobody has labelled, and one of the test split beside its truth",
            [
                *("predict", "brats", "--model", str(run), "--input", f"{raw}/imagesTs", known),
                *picturing(raw, predictions),
            ],
            have=newer(picture, trained),
        )
    )


def check(summary: Path, wanted_dice: float | None) -> None:
    """Raises TrainingError when the regions are not clearly found in the held-out cases."""
    from app.console import say
    from app.errors import TrainingError
    from app.run_folder.run import SUMMARY

    dice = SUMMARY.read(str(summary.parent)).scores["dice"].mean or 0.0
    if wanted_dice is None:
        say(f"mean Dice {dice:.3f} (a quick demo: not judged)")
        return
    if dice <= wanted_dice:
        raise TrainingError(
            f"the regions are not clearly found: mean Dice {dice:.3f} on the held-out cases, "
            f"expected more than {wanted_dice}"
        )
    say(
        f"mean Dice {dice:.3f} on the held-out cases: the regions are clearly found (expected: more than {wanted_dice})"
    )


def a_test_case(store: Path) -> str:
    """The id of the first case of the test split."""
    from app.data.samples.splits import TEST
    from app.data.store.manifest import read_manifest

    return min(str(row["id"]) for row in read_manifest(str(store)) if row["split"] == TEST)


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
