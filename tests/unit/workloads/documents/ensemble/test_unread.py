"""The ensemble from runs' files to its summary, with a page whose OCR failed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.errors import UsageError
from app.workloads.documents.ensemble import methods, runs
from app.workloads.documents.ensemble.methods import Fitted

LABELS = {"v1": 0, "v2": 1, "v3": 0, "t1": 0, "t2": 1, "t3": 1}


def write(run: Path, split: str, memo: dict[str, float]) -> None:
    """The probability of the first of two classes, by page."""
    folder = run / "evaluation" / split
    folder.mkdir(parents=True)
    rows = [f"{page},{share},{1 - share}\n" for page, share in memo.items()]
    (folder / "cases.csv").write_text("case,p_memo,p_note\n" + "".join(rows))


@pytest.fixture
def num_learned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """On how many validation pages each partition's methods were fitted."""
    found: list[int] = []

    def fit(validation: Any, *rest: Any) -> Fitted:
        found.append(len(validation[2]))
        return methods.fit(validation, *rest)

    monkeypatch.setattr(runs, "fit", fit)
    return found


def test_a_page_without_text_is_the_images_alone_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_learned: list[int]
) -> None:
    image, text = tmp_path / "image", tmp_path / "text"
    write(image, "validation", {"v1": 0.9, "v2": 0.1, "v3": 0.1})
    write(text, "validation", {"v2": 0.4, "v1": 0.6})  # v3, on which the image errs, teaches nothing
    write(image, "test", {"t1": 0.9, "t2": 0.2, "t3": 0.6})
    write(text, "test", {"t3": 0.1, "t1": 0.8})
    store = SimpleNamespace(root="store", labels=np.array([*LABELS.values()]), row_of=[*LABELS].index)
    monkeypatch.setattr(runs, "DocumentStore", lambda _: store)
    monkeypatch.setattr(runs, "unread_pages", lambda _: frozenset({"v3", "t2"}))
    monkeypatch.setattr(runs, "blank_pages", lambda _: frozenset())
    found = runs.ensemble_runs([str(image)], [str(text)], "store")
    assert found["num_pages"] == [3] and found["num_without_text"] == [1] and num_learned == [2]
    assert found["chance"] == pytest.approx(2 / 3), "always a note"
    accuracy = {name: spread["mean"] for name, spread in found["accuracy"].items()}
    assert accuracy["image"] == pytest.approx(2 / 3)  # t3 is wrong
    assert accuracy["text"] == pytest.approx(2 / 3)  # t2, which it cannot read
    assert accuracy["average"] == 1  # of t3: (0.6 + 0.1) / 2
    assert found["image_weight"] == [1.0]
    assert "(1 of them have no text, as OCR failed: the image decides there" in "\n".join(runs.table(found))


def test_a_blank_page_is_the_image_s_alone_in_the_ensemble_and_teaches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_learned: list[int]
) -> None:
    """Text says of the blank v3 and t2 what it says of every blank page, surely and wrongly; the image is right."""
    image, text = tmp_path / "image", tmp_path / "text"
    write(image, "validation", {"v1": 0.6, "v2": 0.4, "v3": 0.9})
    write(text, "validation", {"v1": 0.9, "v2": 0.1, "v3": 0.01})
    write(image, "test", {"t1": 0.9, "t2": 0.4, "t3": 0.6})
    write(text, "test", {"t1": 0.8, "t2": 0.99, "t3": 0.1})
    store = SimpleNamespace(root="store", labels=np.array([*LABELS.values()]), row_of=[*LABELS].index)
    monkeypatch.setattr(runs, "DocumentStore", lambda _: store)
    monkeypatch.setattr(runs, "unread_pages", lambda _: frozenset())
    monkeypatch.setattr(runs, "blank_pages", lambda _: frozenset({"v3", "t2"}))
    found = runs.ensemble_runs([str(image)], [str(text)], "store")
    accuracy = {name: spread["mean"] for name, spread in found["accuracy"].items()}
    assert accuracy["text"] == pytest.approx(2 / 3), "it answers, and errs"
    assert accuracy["average"] == 1, "(0.4 + 0.99) / 2 would be wrong"
    assert found["num_blank"] == [1] and found["num_without_text"] == [0]
    assert found["image_weight"] == [0.0] and num_learned == [2], "where there are words the text is the surer"
    assert "(on 1 of them OCR found no text: the image decides there)" in runs.table(found)


def test_partitions_have_a_mean_and_a_deviation_and_none_counts_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image is right on two of three test pages in one partition, on all in the other."""
    store = SimpleNamespace(root="store", labels=np.array([*LABELS.values()]), row_of=[*LABELS].index)
    monkeypatch.setattr(runs, "DocumentStore", lambda _: store)
    monkeypatch.setattr(runs, "unread_pages", lambda _: frozenset())
    monkeypatch.setattr(runs, "blank_pages", lambda _: frozenset())
    made: dict[str, list[str]] = {"image": [], "text": []}
    for kind, paths in made.items():
        for partition in range(2):
            run = tmp_path / f"{kind}-{partition}"
            write(run, "validation", {"v1": 0.9, "v2": 0.2, "v3": 0.8})
            write(run, "test", {"t1": 0.9, "t2": 0.2, "t3": 0.1 if partition else 0.6})
            paths.append(str(run))
    found = runs.ensemble_runs(made["image"], made["text"], "store")
    image = found["accuracy"]["image"]
    assert found["num_partitions"] == 2 and image["values"] == pytest.approx([2 / 3, 1])
    assert image["mean"] == pytest.approx(5 / 6) and image["std"] == pytest.approx(np.sqrt(2) / 6)
    with pytest.raises(UsageError, match="is given more than once"):
        runs.ensemble_runs([made["image"][0]] * 2, made["text"], "store")
