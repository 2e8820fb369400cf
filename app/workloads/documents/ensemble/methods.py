"""Ensembles of what the image and the text of a page say: average, a weight learned on validation, stacking.

Works on probabilities alone, as jobs/evaluate.py leaves them in a run's cases.csv. Shapes: N pages, K classes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.data import files
from app.errors import DataError, UsageError
from app.intervals import MAX_ERROR
from app.run_folder.run import CASES, EVALUATIONS

Float64Array = npt.NDArray[np.float64]
Hits = npt.NDArray[np.bool_]
METHODS = ("image", "text", "average", "weighted", "stacking")
"""The first two are the ablation: each alone."""
FLOOR = 1e-7
"""Smallest probability whose logarithm is taken."""
RIDGE = 1e-2
"""L2 penalty of stacking on each weight, a page; assumed: enough that 200 pages with 2 x 10 features do not overfit."""
NUM_RESAMPLES = 10_000
RESAMPLES_AT_ONCE = 500
"""Bounds the memory: times the kinds of pages, 2,000 with ten partitions of Tobacco3482, some 8 MB."""
TAILS = (2.5, 97.5)
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
    hits: Mapping[str, Hits]
    """[N] of each method, pages in one order: for paired comparison."""
    image_weight: float


def read_predictions(run: str, split: str) -> Predictions:
    """The predictions in RUN/evaluation/SPLIT/cases.csv.

    Raises:
        DataError: the run was not evaluated on the split, or not for its probabilities.
    """
    folder = files.join(run, EVALUATIONS, split)
    if not CASES.exists(folder):
        raise DataError(f"{run} has no {split} predictions: run jobs/evaluate.py with --split {split} first")
    cases = CASES.read(folder)
    names = [name for name in next(iter(cases.values()), ()) if name.startswith(PREFIX)]
    if not names:
        raise DataError(f"{CASES.path(folder)} holds no probabilities of classes; expected columns {PREFIX}CLASS")
    shares = np.array([[scores[name] for name in names] for scores in cases.values()], np.float64)
    if not np.isfinite(shares).all():
        raise DataError(f"{CASES.path(folder)} has pages without a probability of each class; evaluate the run again")
    return Predictions(tuple(cases), tuple(name.removeprefix(PREFIX) for name in names), shares)


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
            "expected runs of the same store and partition"
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
    is_blank: npt.NDArray[np.bool_] | None = None,
) -> Fitted:
    """Learn on validation, score on test; each is (image [N, K], text [N, K], labels [N]).

    Where a page of the test was not read (`has_text` [N]), ensembles say what the image says, and text alone is wrong.
    Where OCR found no text on it (`is_blank` [N]), ensembles say what the image says.
    """
    weight = learn_weight(*validation)
    coefficients = learn_stacking(*validation)
    image, text, labels = test
    has_text = np.ones(len(labels), np.bool_) if has_text is None else has_text
    speaks = has_text if is_blank is None else has_text & ~is_blank
    said = np.where(speaks[:, None], text, image)
    shares = {
        "image": image,
        "text": text,
        "average": (image + said) / 2,
        "weighted": weight * image + (1 - weight) * said,
        "stacking": features(image, said) @ coefficients,
    }
    hits = {name: values.argmax(1) == labels for name, values in shares.items()}
    hits["stacking"] = np.where(speaks, hits["stacking"], hits["image"])
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
    p_value: float
    """P value of no difference, by the same resamples."""

    @property
    def verdict(self) -> str:
        """The verdict on this comparison alone: `better` or `worse` only where chance explains it in less than 5 %."""
        return verdict(self.difference, self.p_value)


def verdict(difference: float, p_value: float) -> str:
    """`better`, `worse` or `no significant difference`."""
    return "no significant difference" if p_value > MAX_ERROR else "better" if difference > 0 else "worse"


def compare(ours: Sequence[Hits], other: Sequence[Hits], pages: Sequence[Sequence[str]], seed: int = 0) -> Comparison:
    """Paired bootstrap (Efron and Tibshirani 1993) over pages; the mean over partitions counts.

    Args:
        ours, other: of each partition, [N].
        pages: of each partition, the ids of its N pages: a page is drawn with all that the partitions say of it, for
            what makes it easy or hard for one training makes it so for the next.
    """
    gains = [a.astype(np.int64) - b.astype(np.int64) for a, b in zip(ours, other, strict=True)]
    means = _resampled_means(gains, pages, seed)
    low, high = np.percentile(means, TAILS)
    beyond = min(np.count_nonzero(means <= 0), np.count_nonzero(means >= 0)) + 1
    p_value = min(1.0, 2 * beyond / (len(means) + 1))
    return Comparison(float(np.mean([gain.mean() for gain in gains])), float(low), float(high), p_value)


def accuracy_interval(hits: Sequence[Hits], pages: Sequence[Sequence[str]], seed: int = 0) -> tuple[float, float]:
    """Ends of the 95 % bootstrap interval of the accuracy over pages, as for `compare`."""
    low, high = np.percentile(_resampled_means([values.astype(np.int64) for values in hits], pages, seed), TAILS)
    return float(low), float(high)


def _resampled_means(
    values: Sequence[npt.NDArray[np.int64]], pages: Sequence[Sequence[str]], seed: int
) -> Float64Array:
    """[NUM_RESAMPLES]: means over partitions of the mean of the values of pages drawn again."""
    rows = {page: row for row, page in enumerate(dict.fromkeys(page for part in pages for page in part))}
    table = np.zeros((len(rows), 2 * len(values)), np.int64)  # of each page and partition: value, and whether it is in
    for number, (part, of_pages) in enumerate(zip(values, pages, strict=True)):
        places = [rows[page] for page in of_pages]
        table[places, 2 * number], table[places, 2 * number + 1] = part, 1
    kinds, counts = np.unique(table, axis=0, return_counts=True)  # few: pages of a kind are drawn together
    rng = np.random.default_rng(seed)
    means = []
    for begin in range(0, NUM_RESAMPLES, RESAMPLES_AT_ONCE):
        drawn = rng.multinomial(len(rows), counts / len(rows), min(RESAMPLES_AT_ONCE, NUM_RESAMPLES - begin))
        totals = drawn @ kinds.astype(np.float64)
        sums, sizes = totals[:, ::2], totals[:, 1::2]
        shares = np.divide(sums, sizes, out=np.full(sums.shape, np.nan), where=sizes > 0)  # no page of a partition
        means.append(np.nanmean(shares, axis=1))
    return np.concatenate(means)
