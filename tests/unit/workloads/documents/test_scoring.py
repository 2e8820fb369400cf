"""Scores of classified pages by hand: two classes, logits chosen so that the probabilities are thirds."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_sets import save_rvl

from app.workloads.documents.scoring import page_scores, summarize
from app.workloads.documents.store import DocumentStore

LOGITS = torch.tensor([[math.log(2), 0.0]] * 3)
"""Probabilities 2/3 and 1/3."""


class Pages:
    """What scoring asks of a store: pages a, b and c, the last without a label; b looks like a training page."""

    ids = ("a", "b", "c")
    labels = np.array([0, 1, -1])

    def duplicated_test_ids(self, partition: int | None) -> set[str]:
        assert partition == 4
        return {"b"}


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
    source = save_rvl(tmp_path / "rvl", {"train": [("p1", 0, 1)], "val": [("p2", 1, 2)], "test": [("p3", 0, 1)]})
    store: DocumentStore = prepare(source)
    rows = store.rows("test")
    (score,) = page_scores(torch.eye(16)[:1], store, rows, store.options.classes, None, thorough=True)
    assert score["accuracy"] == 1.0 and score["accuracy_deduplicated"] is None, "p3 is drawn as p1 is"
