"""The ensemble of several partitions, from the runs' predictions to one summary with its ablation."""

import os
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

from app.data import files
from app.errors import UsageError
from app.intervals import MAX_ERROR, holm
from app.workloads.documents.ensemble.methods import (
    METHODS,
    Fitted,
    accuracy_interval,
    align,
    compare,
    fit,
    read_predictions,
    verdict,
)
from app.workloads.documents.ocr.texts import blank_pages, unread_pages
from app.workloads.documents.store.prepared import DocumentStore

ABLATION = ("image", "text")


def ensemble_runs(image_runs: Sequence[str], text_runs: Sequence[str], store: str) -> dict[str, Any]:
    """Accuracy of each method: mean and standard deviation over the partitions; each ensemble against each part.

    Raises:
        UsageError: not one text run for each image run, a run twice, or runs that do not belong together.
        DataError: a run was not evaluated on validation and test.
    """
    check_pairs(image_runs, text_runs)
    opened = DocumentStore(store)
    pairs = list(zip(image_runs, text_runs, strict=True))
    read = [_read(image, text, opened, "test") for image, text in pairs]
    pages, tests = [ids for ids, *_ in read], [parts for _, parts, _, _ in read]
    found = [
        fit(_with_text(*_read(image, text, opened, "validation")[1:]), parts, has_text, is_blank)
        for (image, text), (_, parts, has_text, is_blank) in zip(pairs, read, strict=True)
    ]
    return {
        "num_partitions": len(found),
        "num_pages": [len(fitted.hits["image"]) for fitted in found],
        "num_without_text": [int((~has_text).sum()) for *_, has_text, _ in read],
        "num_blank": [int(is_blank.sum()) for *_, is_blank in read],
        "chance": fmean(float(np.bincount(labels).max() / len(labels)) for _, _, labels in tests),
        "accuracy": {name: _accuracy(found, name, pages) for name in METHODS},
        "image_weight": [fitted.image_weight for fitted in found],
        "against": _comparisons(found, pages),
        "interval": (
            "95 % paired percentile bootstrap over pages, each with all that the partitions say of it; mean over "
            f"partitions; verdicts err in at most {100 * MAX_ERROR:.0f} % over all comparisons together (Holm)"
        ),
        "runs": {"image": list(image_runs), "text": list(text_runs)},
    }


def check_pairs(image_runs: Sequence[str], text_runs: Sequence[str]) -> None:
    """Raises UsageError when there is not one text run for each image run, no run at all, or a run twice."""
    if len(image_runs) != len(text_runs) or not image_runs:
        raise UsageError(f"got {len(image_runs)} image runs and {len(text_runs)} text runs, expected as many of each")
    for kind, runs in (("image", image_runs), ("text", text_runs)):
        places = [run.rstrip("/") if files.is_url(run) else os.path.realpath(run) for run in runs]
        twice = [run for run, place in zip(runs, places, strict=True) if places.count(place) > 1]
        if twice:
            raise UsageError(
                f"--{kind}: {twice[0]} is given more than once; expected the run of another partition each"
            )


def table(summary: Mapping[str, Any]) -> list[str]:
    """One line a method, then one a comparison."""
    over = f"over {summary['num_partitions']} partition(s)"
    lines = [f"{'method':<10}{'accuracy':>9}   {'95 % interval':<19}{'std':>7}   {over}"]
    for name, spread in summary["accuracy"].items():
        std = "-" if spread["std"] is None else f"{spread['std']:.4f}"
        interval = f"{spread['low']:.4f} to {spread['high']:.4f}"
        lines.append(f"{name:<10}{spread['mean']:>9.4f}   {interval:<19}{std:>7}")
    pages = ", ".join(str(num) for num in summary["num_pages"])
    lines.append(f"({pages} test pages; always naming the most frequent class: {summary['chance']:.4f})")
    if sum(summary["num_without_text"]):
        lost = ", ".join(str(num) for num in summary["num_without_text"])
        lines.append(f"({lost} of them have no text, as OCR failed: the image decides there, and text alone is wrong)")
    if sum(summary.get("num_blank", ())):
        blank = ", ".join(str(num) for num in summary["num_blank"])
        lines.append(f"(on {blank} of them OCR found no text: the image decides there)")
    lines.append(f"(better and worse err in at most {100 * MAX_ERROR:.0f} % over all of these together, by Holm)")
    for method, parts in summary["against"].items():
        for part, found in parts.items():
            interval = f"{found['low']:+.4f} to {found['high']:+.4f}"
            lines.append(f"{method} against {part} alone: {found['difference']:+.4f} ({interval}): {found['verdict']}")
    return lines


def _read(
    image_run: str, text_run: str, store: DocumentStore, split: str
) -> tuple[tuple[str, ...], tuple[Any, Any, Any], Any, Any]:
    """Ids of the pages; image, text and labels as `fit` takes them; which of the pages were read, and found blank."""
    predictions = read_predictions(image_run, split), read_predictions(text_run, split)
    ids, image, text, has_text = align(*predictions, unread_pages(store.root))
    labels = store.labels[np.array([store.row_of(page) for page in ids])]
    blank = blank_pages(store.root)
    return ids, (image, text, labels), has_text, np.array([page in blank for page in ids])


def _with_text(parts: tuple[Any, Any, Any], has_text: Any, is_blank: Any) -> tuple[Any, Any, Any]:
    """The pages to learn from that have both image and text."""
    image, text, labels = (part[has_text & ~is_blank] for part in parts)
    return image, text, labels


def _accuracy(found: Sequence[Fitted], method: str, pages: Sequence[Sequence[str]]) -> dict[str, Any]:
    values = [fitted.accuracy[method] for fitted in found]
    low, high = accuracy_interval([fitted.hits[method] for fitted in found], pages)
    std = stdev(values) if len(values) > 1 else None
    return {"mean": fmean(values), "low": low, "high": high, "std": std, "values": values}


def _comparisons(found: Sequence[Fitted], pages: Sequence[Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Each ensemble against each part; p values and verdicts are those among all of them."""
    pairs = [(method, part) for method in METHODS if method not in ABLATION for part in ABLATION]
    made = [compare([f.hits[method] for f in found], [f.hits[part] for f in found], pages) for method, part in pairs]
    against: dict[str, dict[str, Any]] = {}
    for (method, part), one, p in zip(pairs, made, holm([one.p_value for one in made]), strict=True):
        row = {**vars(one), "p_value": p, "verdict": verdict(one.difference, p)}
        against.setdefault(method, {})[part] = row
    return against
