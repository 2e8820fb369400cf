"""Ensembles of image and text: learned on validation, scored on test, compared in pairs."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import DataError, UsageError
from app.workloads.documents.ensemble.methods import (
    Predictions,
    accuracy_interval,
    align,
    compare,
    fit,
    learn_stacking,
    learn_weight,
    read_predictions,
)


def numbered(num: int) -> list[list[str]]:
    """Ids of the pages of one partition."""
    return [[str(page) for page in range(num)]]


def draw(num: int, skill: tuple[float, float], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of two models whose logits lean towards the label by `skill`."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, num)
    shares = []
    for lean in skill:
        logits = rng.normal(size=(num, 4))
        logits[np.arange(num), labels] += lean
        values = np.exp(logits)
        shares.append(values / values.sum(1, keepdims=True))
    return shares[0], shares[1], labels


def test_two_models_that_err_independently_are_better_together() -> None:
    found = fit(draw(400, (1.5, 1.5), 1), draw(2000, (1.5, 1.5), 2))
    for method in ("average", "weighted", "stacking"):
        assert found.accuracy[method] > max(found.accuracy["image"], found.accuracy["text"]) + 0.05
    assert 0.15 < found.image_weight < 0.85
    assert compare([found.hits["average"]], [found.hits["image"]], numbered(2000)).verdict == "better"


def test_a_model_that_guesses_gets_no_weight() -> None:
    image, text, labels = draw(500, (3.0, 0.0), 3)
    assert learn_weight(image, text, labels) > 0.9


def test_better_only_where_the_interval_excludes_zero() -> None:
    a = np.array([True] * 60 + [False] * 40)
    b = np.array([True] * 58 + [False] * 40 + [True] * 2)
    found = compare([a], [b], numbered(100))
    assert found.difference == 0 and found.low < 0 < found.high and found.verdict == "no significant difference"
    worse = compare([np.zeros(100, bool)], [np.ones(100, bool)], numbered(100))
    assert (worse.difference, worse.low, worse.high, worse.verdict) == (-1, -1, -1, "worse")


def test_the_interval_of_an_accuracy_is_the_binomials() -> None:
    hits = np.array([True] * 80 + [False] * 20)
    low, high = accuracy_interval([hits], numbered(100))
    assert (low, high) == pytest.approx((0.72, 0.87), abs=0.011)  # quantiles of a binomial of 100 with 0.8
    others = [[f"{part}-{page}" for page in range(100)] for part in range(4)]
    narrow = accuracy_interval([hits] * 4, others)  # a mean of four varies half as much
    assert narrow == pytest.approx((0.76, 0.84), abs=0.011)
    assert accuracy_interval([np.ones(5, bool)], numbered(5)) == (1, 1)


def test_the_same_pages_in_every_partition_say_no_more_than_once() -> None:
    hits = np.array([True] * 80 + [False] * 20)
    assert accuracy_interval([hits] * 4, numbered(100) * 4) == accuracy_interval([hits], numbered(100))
    reordered = [np.array([False] * 20 + [True] * 80), hits]
    pages = [[*numbered(100)[0][80:], *numbered(100)[0][:80]], numbered(100)[0]]
    assert accuracy_interval(reordered, pages) == accuracy_interval([hits], numbered(100))


@pytest.mark.parametrize("num_partitions", [1, 10])
def test_equal_methods_are_told_apart_in_one_of_twenty_trials(
    num_partitions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page is as hard for one method as for the other by chance, and so in every partition that tests on it."""
    monkeypatch.setattr("app.workloads.documents.ensemble.methods.NUM_RESAMPLES", 500)
    rng = np.random.default_rng(1)
    num_pages, num_trials, wrong = 200, 600, 0
    for _ in range(num_trials):
        chances = rng.beta(2, 0.7, (2, num_pages))
        pages: list[list[str]] = []
        hits: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for _ in range(num_partitions):
            tested = rng.permutation(num_pages)[:140]
            pages.append([str(page) for page in tested])
            for method, found in enumerate(hits):
                found.append(rng.random(140) < chances[method, tested])
        wrong += compare(*hits, pages).verdict != "no significant difference"
    assert 0.03 <= wrong / num_trials <= 0.07


def test_predictions_are_read_from_a_run_and_put_into_one_order(tmp_path: Path) -> None:
    folder = tmp_path / "evaluation" / "test"
    folder.mkdir(parents=True)
    (folder / "cases.csv").write_text("case,accuracy,p_memo,p_note\nb,1,0.9,0.1\na,0,0.2,0.8\n")
    read = read_predictions(str(tmp_path), "test")
    assert read.classes == ("memo", "note") and read.ids == ("b", "a")
    other = Predictions(("a", "b"), ("memo", "note"), np.array([[0.3, 0.7], [0.6, 0.4]]))
    ids, image, text, has_text = align(read, other)
    assert ids == ("b", "a") and has_text.all()
    np.testing.assert_array_equal(image, [[0.9, 0.1], [0.2, 0.8]])
    np.testing.assert_array_equal(text, [[0.6, 0.4], [0.3, 0.7]])


def test_the_weight_is_the_images() -> None:
    """By hand: the image is sure and right, the text is sure and wrong; weighted, only the image speaks. The test has
    them the other way round, so that a weight given to the text would be right."""
    sure = np.tile([[0.9, 0.1]], (10, 1))
    labels = np.zeros(10, np.int64)
    found = fit((sure, sure[:, ::-1], labels), (sure[:, ::-1], sure, labels))
    assert found.image_weight == 1
    assert {name: found.accuracy[name] for name in ("image", "text", "weighted")} == {
        "image": 0.0, "text": 1.0, "weighted": 0.0
    }  # fmt: skip


def test_where_ocr_failed_the_image_decides_and_text_alone_is_wrong() -> None:
    image = Predictions(("a", "b", "c"), ("memo", "note"), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]))
    text = Predictions(("c", "a"), ("memo", "note"), np.array([[0.1, 0.9], [0.6, 0.4]]))
    with pytest.raises(UsageError, match="different pages"):
        align(image, text)
    ids, *shares, has_text = align(image, text, {"b", "elsewhere"})
    assert ids == ("a", "b", "c") and has_text.tolist() == [True, False, True]
    np.testing.assert_array_equal(shares[1], [[0.6, 0.4], [0.2, 0.8], [0.1, 0.9]])
    validation = (np.tile([[0.1, 0.9]], (4, 1)), np.tile([[0.9, 0.1]], (4, 1)), np.zeros(4, np.int64))  # text is right
    found = fit(validation, (shares[0], shares[1], np.array([0, 1, 1])), has_text)
    assert {name: hits.tolist() for name, hits in found.hits.items()} == {
        "image": [True, True, False],
        "text": [True, False, True],
        "average": [True, True, True],  # of c: (0.3 + 0.9) / 2
        "weighted": [True, True, True],  # text alone, where there is one
        "stacking": [found.hits["stacking"][0], True, found.hits["stacking"][2]],
    }
    with pytest.raises(UsageError, match="1 are in one only, such as d"):  # a page of the text's is no failure of OCR
        align(image, Predictions((*text.ids, "d"), text.classes, np.vstack([text.shares, [[0.5, 0.5]]])), {"b", "d"})


def test_where_a_page_is_blank_the_image_decides_and_text_alone_says_what_it_says() -> None:
    """The text is right on validation; of the test's four pages the second and third have no word."""
    validation = (np.tile([[0.1, 0.9]], (4, 1)), np.tile([[0.9, 0.1]], (4, 1)), np.zeros(4, np.int64))
    image, text = np.tile([[0.3, 0.7]], (4, 1)), np.tile([[0.9, 0.1]], (4, 1))
    is_blank = np.array([False, True, True, False])
    found = fit(validation, (image, text, np.array([0, 1, 0, 1])), is_blank=is_blank)
    assert {name: found.hits[name].tolist() for name in ("image", "text", "average", "weighted")} == {
        "image": [False, True, False, True],
        "text": [True, False, True, False],
        "average": [True, True, False, False],  # of those with words 0.6 for the first class
        "weighted": [True, True, False, False],
    }
    assert found.hits["stacking"][1:3].tolist() == [True, False]


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    one = Predictions(("a",), ("memo",), np.ones((1, 1)))
    with pytest.raises(UsageError, match="different pages"):
        align(one, Predictions(("b",), ("memo",), np.ones((1, 1))))
    with pytest.raises(UsageError, match="different classes"):
        align(one, Predictions(("a",), ("note",), np.ones((1, 1))))
    with pytest.raises(DataError, match="--split test"):
        read_predictions(str(tmp_path), "test")


def test_a_difference_that_no_resample_reverses_has_the_smallest_p_value_there_is() -> None:
    """(0 + 1) of 10,000 resamples lie at 0 or below, and as many are counted for the other side (Davison and Hinkley
    1997, 4.2)."""
    right, wrong = np.ones(30, bool), np.zeros(30, bool)
    assert compare([right], [wrong], numbered(30)).p_value == 2 / 10_001


def test_stacking_is_at_the_minimum_of_cross_entropy_with_a_ridge_towards_the_average() -> None:
    """The gradient by hand, softmax less one-hot and 2 x 0.01 x the way from the average, vanishes there."""
    image, text, labels = draw(200, (1.0, 0.5), seed=3)
    inputs = np.concatenate([np.log(image), np.log(text), np.ones((200, 1))], 1)
    found = learn_stacking(image, text, labels)
    logits = inputs @ found
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    average = np.concatenate([np.eye(4), np.eye(4), np.zeros((1, 4))]) / 2
    gradient = inputs.T @ (shares - np.eye(4)[labels]) / 200 + 2 * 0.01 * (found - average)
    assert np.abs(gradient).max() < 1e-3
