"""Score a trained run on whole volumes it has not seen; writes RUN/evaluation/SPLIT/cases.csv and summary.json."""

import time
from dataclasses import dataclass
from typing import Any, Literal

from app.command_line import absolute

DOCUMENT_WORKLOADS = ("document_image", "document_text")


@dataclass(frozen=True, kw_only=True)
class Common:
    """What every evaluation has."""

    run: str
    """Folder (or URL) of the run, as jobs/train.py made it, or of an exported model."""
    store: str
    """Prepared store, made by jobs/prepare.py."""
    split: Literal["train", "validation", "test"] = "test"
    workers: int = 1
    """Workers that each hold the model and take cases in turn; the result does not depend on their number."""
    launcher: Literal["ray", "local"] = "ray"
    """`local` evaluates in this process, without Ray."""


@dataclass(frozen=True, kw_only=True)
class EvaluateBrats(Common):
    """Dice and 95 % Hausdorff distance of each region, over sliding windows."""

    overlap: float | None = None
    """Share of a window that its neighbour covers; the run's own final_overlap (0.5) if not given."""
    flips: bool = False
    """Average over the eight flips: eight times the work."""
    resampling: bool = True
    """A case whose voxels are not the training's is resampled for the network, and scored on its own grid."""

    workloads = ("brats",)

    def task_options(self) -> dict[str, Any]:
        """The task's options that the flags replace."""
        overlap = {} if self.overlap is None else {"final_overlap": self.overlap}
        as_it_is = {} if self.resampling else {"resampling": False}
        return {**overlap, **({"mirror": True} if self.flips else {}), **as_it_is}

    def conventions(self) -> tuple[str, ...]:
        from app.workloads.brats.inference.evaluation import CONVENTIONS

        return CONVENTIONS


@dataclass(frozen=True, kw_only=True)
class EvaluateDocuments(Common):
    """Accuracy and cross-entropy of a page classifier, by image or by text; probabilities of each page in cases.csv."""

    workloads = DOCUMENT_WORKLOADS

    def task_options(self) -> dict[str, Any]:
        return {}

    def conventions(self) -> tuple[str, ...]:
        from app.workloads.documents.scoring import CONVENTIONS

        return CONVENTIONS


@dataclass(frozen=True, kw_only=True)
class EvaluateEnsemble:
    """Image and text together against each alone, over the partitions given; learned on validation, scored on test.

    Runs that `evaluate documents` has not scored on these splits as they are now are scored first."""

    image: tuple[str, ...]
    """Runs of document-image, one a partition."""
    text: tuple[str, ...]
    """Runs of document-text, in the same order."""
    store: str
    """Prepared store of all of them."""
    out: str
    """Folder for ensemble.json."""
    workers: int = 1
    """Of each evaluation that is missing."""
    launcher: Literal["ray", "local"] = "ray"
    """`local` evaluates in this process, without Ray."""


def main(arguments: Any) -> None:
    if isinstance(arguments, EvaluateEnsemble):
        evaluate_ensemble(arguments)
    else:
        evaluate(arguments)


def evaluate(arguments: Any) -> None:
    from app.console import say
    from app.execution.models.evaluate import evaluate_run

    start_s = time.monotonic()
    check_workers(arguments.workers)
    evaluation = evaluate_run(
        absolute(arguments.run),
        absolute(arguments.store),
        arguments.split,
        arguments.workers,
        arguments.launcher,
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


def evaluate_ensemble(arguments: EvaluateEnsemble) -> None:
    from app.console import say
    from app.data import files
    from app.execution.models.evaluate import check_run, evaluate_run, is_evaluated
    from app.run_folder.run import ENSEMBLE
    from app.workloads.documents.ensemble.runs import check_pairs, ensemble_runs, table
    from app.workloads.documents.scoring import CONVENTIONS

    check_workers(arguments.workers)
    check_pairs(arguments.image, arguments.text)
    files.check_folder(absolute(arguments.out))
    store, runs = absolute(arguments.store), [absolute(run) for run in (*arguments.image, *arguments.text)]
    missing = [(run, split) for run in runs for split in ("validation", "test") if not is_evaluated(run, store, split)]
    for run, split in missing:  # all of them before the first is scored
        check_run(run, store, split, workloads=DOCUMENT_WORKLOADS)
    for run, split in missing:
        evaluate_run(run, store, split, arguments.workers, arguments.launcher, None, CONVENTIONS, DOCUMENT_WORKLOADS)
    summary = ensemble_runs(
        [absolute(run) for run in arguments.image],
        [absolute(run) for run in arguments.text],
        absolute(arguments.store),
    )
    for line in table(summary):
        say(line)
    ENSEMBLE.write(absolute(arguments.out), summary)
    say(f"written: {ENSEMBLE.path(absolute(arguments.out))}")


def check_workers(num_workers: int) -> None:
    from app.errors import UsageError

    if num_workers < 1:
        raise UsageError(f"--workers: got {num_workers}, wanted 1 or more")


if __name__ == "__main__":
    from app.command_line import run

    run(
        {"brats": EvaluateBrats, "documents": EvaluateDocuments, "documents-ensemble": EvaluateEnsemble},
        main,
        description=__doc__,
    )
