"""Claims on pages, on predictions that were made up: a planted gain is called better, a planted null is not."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binom

from app.workloads.documents.ensemble.methods import Comparison, compare, fit

NUM_PARTITIONS, NUM_PAGES = 10, 350
Array = npt.NDArray[np.float64]
PARTS = ("image", "text")


def partitions(rng: np.random.Generator) -> list[list[str]]:
    """Test pages of ten random partitions of 1,000, as those of Tobacco3482 are: a page is in several."""
    return [[str(page) for page in rng.permutation(1000)[:NUM_PAGES]] for _ in range(NUM_PARTITIONS)]


def transfer_against_scratch(gain: float, seed: int) -> Comparison:
    """Accuracy 0.6 from scratch and 0.6 + `gain` after transfer; what makes a page easy is its own in all trainings."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(size=1000)
    pages = partitions(rng)
    after, scratch = (
        [ease[np.array(part, int)] + rng.normal(size=NUM_PAGES) > -np.sqrt(2) * quantile for part in pages]
        for quantile in (shift(0.6 + gain), shift(0.6))
    )
    return compare(after, scratch, pages, seed)


def shift(accuracy: float) -> float:
    """Of a standard normal variable: what it exceeds the negative of with this probability."""
    from scipy.stats import norm

    return float(norm.ppf(accuracy))


def test_transfer_is_better_where_a_gain_was_planted() -> None:
    found = transfer_against_scratch(gain=0.1, seed=0)
    assert found.verdict == "better" and found.low > 0
    assert abs(found.difference - 0.1) < 0.04
    assert transfer_against_scratch(gain=-0.1, seed=1).verdict == "worse"


def test_transfer_without_a_gain_is_called_significant_as_rarely_as_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 40 nulls at 5 %: more than 7 would come by chance once in 1,400 times."""
    monkeypatch.setattr("app.workloads.documents.ensemble.methods.NUM_RESAMPLES", 1000)
    called = sum(transfer_against_scratch(0.0, seed).verdict != "no significant difference" for seed in range(40))
    assert binom.sf(7, 40, 0.05) < 1 / 1400
    assert called <= 7


def predictions(seed: int, same: bool, num: int = 1500) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Two models of four classes with the same skill: they err independently, or say the same."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, num)
    logits = rng.normal(size=(2, num, 4))
    logits[:, np.arange(num), labels] += 1.5
    shares = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
    return shares[0], shares[0 if same else 1], labels


def test_the_ensemble_is_better_where_its_parts_err_independently_and_not_where_they_are_the_same() -> None:
    pages = [[str(page) for page in range(1500)]]
    verdicts = []
    for same in (False, True):
        found = fit(predictions(0, same), predictions(1, same))
        verdicts.append([compare([found.hits["average"]], [found.hits[part]], pages).verdict for part in PARTS])
    assert verdicts == [["better"] * 2, ["no significant difference"] * 2]
