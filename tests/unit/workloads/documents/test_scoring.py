"""Scores of classified pages by hand: two classes, logits chosen so that the probabilities are thirds."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_sets import save_rvl

from app.workloads.documents.scoring import page_scores, summarize
from app.workloads.documents.store.prepared import DocumentStore

LOGITS = torch.tensor([[math.log(2), 0.0]] * 3)
"""Probabilities 2/3 and 1/3."""


class Pages:
    """What scoring asks of a store: pages of which the last has no label; the second looks like a training page."""

    labels = np.array([0, 1, -1])

    def duplicated(self, rows: np.ndarray, partition: int | None) -> list[bool | None]:
        assert partition == 4 and rows.tolist() == [0, 1, 2]
        return [False, True, False]


def scores_of(store: object, thorough: bool) -> list[dict[str, float | None]]:
    rows = np.arange(3)
    return page_scores(LOGITS, store, rows, ("left", "right"), 4, thorough)  # type: ignore[arg-type]


def test_a_page_without_label_has_probabilities_and_no_score() -> None:
    found = scores_of(Pages(), thorough=True)
    assert [score["accuracy"] for score in found] == [1.0, 0.0, None]
    assert [score["accuracy_deduplicated"] for score in found] == [1.0, None, None]
    assert found[0]["cross_entropy"] == pytest.approx(math.log(3 / 2))
    assert found[1]["cross_entropy"] == pytest.approx(math.log(3))
    assert found[2]["cross_entropy"] is None
    assert [score["p_left"] for score in found] == pytest.approx([2 / 3] * 3)


def test_means_are_over_the_pages_that_are_scored() -> None:
    found = summarize(scores_of(Pages(), thorough=True))
    assert found == pytest.approx(
        {"accuracy": 0.5, "cross_entropy": (math.log(3 / 2) + math.log(3)) / 2, "accuracy_deduplicated": 1.0}
    )


def test_a_store_gives_scoring_what_it_asks_for(prepare, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pages = {
        "train": [("p1", 0, 1)],
        "val": [("p2", 0, 2), ("p3", 0, 1)],
        "test": [("p4", 0, 1), ("p5", 0, 5)],
    }
    store: DocumentStore = prepare(save_rvl(tmp_path / "rvl", pages))

    def scores(split: str) -> list[dict[str, float | None]]:
        rows = store.rows(split)
        logits = torch.eye(16)[:1].expand(len(rows), 16)
        return page_scores(logits, store, rows, store.options.classes, None, thorough=True)

    assert [score["accuracy_deduplicated"] for score in scores("test")] == [None, 1.0], "p4 is drawn as p1 is"
    assert [score["accuracy_deduplicated"] for score in scores("validation")] == [1.0, None], "and so is p3"
    (trained,) = scores("train")
    assert trained["accuracy"] == 1.0 and "accuracy_deduplicated" not in trained, "it is in training itself"
    assert "accuracy_deduplicated" not in summarize(scores("train"))
