"""Ensembles of what the image and the text of a page say: average, a weight learned on validation, stacking.

Works on probabilities alone, as jobs/evaluate.py leaves them in a run's cases.csv. Shapes: N pages, K classes.
"""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.data import files
from app.errors import DataError, UsageError

Float64Array = npt.NDArray[np.float64]
METHODS = ("image", "text", "average", "weighted", "stacking")
"""The first two are the ablation: each alone."""
FLOOR = 1e-7
"""Of probabilities whose logarithm is taken."""
RIDGE = 1e-2
"""L2 penalty of stacking on each weight, a page; assumed: enough that 200 pages with 2 x 10 features do not overfit."""
NUM_RESAMPLES = 10_000
PREFIX = "p_"


@dataclass(frozen=True)
class Predictions:
    """Probabilities of one model for the pages of a split."""

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    shares: Float64Array
    """[N, K]"""


@dataclass(frozen=True)
class Fitted:
    """Accuracy of each method on one partition, and what was learned on its validation pages."""

    accuracy: Mapping[str, float]
    hits: Mapping[str, npt.NDArray[np.bool_]]
    """[N] of each method, pages in one order: for paired comparison."""
    image_weight: float


def read_predictions(run: str, split: str) -> Predictions:
    """Of RUN/evaluation/SPLIT/cases.csv.

    Raises:
        DataError: the run was not evaluated on the split, or not for its probabilities.
    """
    path = files.join(run, "evaluation", split, "cases.csv")
    if not files.exists(path):
        raise DataError(f"{run} has no {split} predictions: run jobs/evaluate.py with --split {split} first")
    rows = list(csv.DictReader(io.StringIO(files.read_bytes(path).decode())))
    names = [name for name in rows[0] if name.startswith(PREFIX)] if rows else []
    if not names:
        raise DataError(f"{path} holds no probabilities of classes; wanted columns {PREFIX}CLASS")
    shares = np.array([[float(row[name]) for name in names] for row in rows])
    return Predictions(tuple(row["case"] for row in rows), tuple(name.removeprefix(PREFIX) for name in names), shares)


def align(
    image: Predictions, text: Predictions, unread: Collection[str] = ()
) -> tuple[tuple[str, ...], Float64Array, Float64Array, npt.NDArray[np.bool_]]:
    """Ids in the order of `image`, the probabilities of each, [N, K], and which pages have a text, [N].

    `unread` are pages that have none, because their OCR failed: the image speaks for both there.

    Raises:
        UsageError: other classes, or other pages: the two are not of the same partition.
    """
    if image.classes != text.classes:
        raise UsageError(f"image and text know different classes: {image.classes} and {text.classes}")
    odd = sorted((set(image.ids) ^ set(text.ids)) - set(unread).difference(text.ids))
    if odd:
        raise UsageError(
            f"image and text were scored on different pages ({len(odd)} are in one only, such as {odd[0]}); "
            "wanted runs of the same store and partition"
        )
    place = {page: row for row, page in enumerate(text.ids)}
    has_text = np.array([page in place for page in image.ids])
    shares = image.shares.copy()
    shares[has_text] = text.shares[[place[page] for page in image.ids if page in place]]
    return image.ids, image.shares, shares, has_text


def fit(
    validation: tuple[Float64Array, Float64Array, npt.NDArray[np.int64]],
    test: tuple[Float64Array, Float64Array, npt.NDArray[np.int64]],
    has_text: npt.NDArray[np.bool_] | None = None,
) -> Fitted:
    """Learn on validation, score on test; each is (image [N, K], text [N, K], labels [N]).

    Where a page of the test has no text (`has_text` [N]), ensembles say what the image says, and text alone is wrong.
    """
    weight = learn_weight(*validation)
    coefficients = learn_stacking(*validation)
    image, text, labels = test
    shares = {
        "image": image,
        "text": text,
        "average": (image + text) / 2,
        "weighted": weight * image + (1 - weight) * text,
        "stacking": features(image, text) @ coefficients,
    }
    hits = {name: values.argmax(1) == labels for name, values in shares.items()}
    if has_text is not None:
        hits["stacking"] = np.where(has_text, hits["stacking"], hits["image"])
        hits["text"] = hits["text"] & has_text
    return Fitted({name: float(values.mean()) for name, values in hits.items()}, hits, weight)


def learn_weight(image: Float64Array, text: Float64Array, labels: npt.NDArray[np.int64]) -> float:
    """The image's weight from 0 to 1 under which the labels are most likely; in steps of 0.01."""
    own_image, own_text = (shares[np.arange(len(labels)), labels] for shares in (image, text))
    weights = np.linspace(0, 1, 101)
    likelihood = [np.log(np.maximum(w * own_image + (1 - w) * own_text, FLOOR)).sum() for w in weights]
    return float(weights[int(np.argmax(likelihood))])


def features(image: Float64Array, text: Float64Array) -> Float64Array:
    """Inputs of stacking [N, 2 K + 1]: logarithms of both, and a one for the intercept."""
    logs = [np.log(np.maximum(shares, FLOOR)) for shares in (image, text)]
    return np.concatenate([*logs, np.ones((len(image), 1))], 1)


def learn_stacking(image: Float64Array, text: Float64Array, labels: npt.NDArray[np.int64]) -> Float64Array:
    """Weights [2 K + 1, K] of a multinomial logistic regression with a small L2 penalty towards the average."""
    import torch

    num_classes = image.shape[1]
    inputs, target = torch.from_numpy(features(image, text)), torch.from_numpy(labels)
    start = torch.cat([torch.eye(num_classes), torch.eye(num_classes), torch.zeros(1, num_classes)]).double() / 2
    weights = start.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(inputs @ weights, target) + RIDGE * ((weights - start) ** 2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return weights.detach().numpy()


@dataclass(frozen=True)
class Comparison:
    """Accuracy of one method less that of another, over the same pages."""

    difference: float
    low: float
    high: float
    """Ends of the 95 % paired bootstrap interval over pages."""

    @property
    def verdict(self) -> str:
        """`better` or `worse` only where the interval excludes zero."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "not told apart"


def compare(ours: Sequence[npt.NDArray[np.bool_]], other: Sequence[npt.NDArray[np.bool_]], seed: int = 0) -> Comparison:
    """Paired bootstrap (Efron and Tibshirani 1993) over the pages of each partition; the mean over partitions counts.

    Pages are drawn again within each partition. Tests of different partitions share pages, which makes the interval
    of several somewhat too narrow.
    """
    gains = [a.astype(np.int64) - b.astype(np.int64) for a, b in zip(ours, other, strict=True)]
    low, high = _interval(gains, seed)
    return Comparison(float(np.mean([gain.mean() for gain in gains])), low, high)


def accuracy_interval(hits: Sequence[npt.NDArray[np.bool_]], seed: int = 0) -> tuple[float, float]:
    """Ends of the 95 % bootstrap interval of the accuracy over pages, as for `compare`."""
    return _interval([values.astype(np.int64) for values in hits], seed)


def _interval(values: Sequence[npt.NDArray[np.int64]], seed: int) -> tuple[float, float]:
    """Of the mean over partitions of the mean of values that are -1, 0 or 1."""
    rng = np.random.default_rng(seed)
    totals = np.zeros(NUM_RESAMPLES)
    for part in values:
        shares = [(part == value).mean() for value in (-1, 0, 1)]
        drawn = rng.multinomial(len(part), shares, NUM_RESAMPLES)  # the bootstrap of a mean of three values
        totals += (drawn[:, 2] - drawn[:, 0]) / len(part)
    low, high = np.percentile(totals / len(values), [2.5, 97.5])
    return float(low), float(high)
