"""Ensembles of several partitions: what is refused, and how many comparisons are held to one error."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import UsageError
from app.workloads.documents.ensemble.methods import Fitted, compare
from app.workloads.documents.ensemble.runs import _comparisons, check_pairs


def test_a_run_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    images = [str(tmp_path / name) for name in ("a", "b")]
    check_pairs(images, ["c", "d"])
    with pytest.raises(UsageError, match="--text: c is given more than once"):
        check_pairs(images, ["c", "c"])
    with pytest.raises(UsageError, match=r"--image: .*a/ is given more than once"):
        check_pairs([f"{tmp_path}/a/", f"{tmp_path}/link"], ["c", "d"])
    with pytest.raises(UsageError, match="--image: s3://runs/a"):
        check_pairs(["s3://runs/a", "s3://runs/a/"], ["c", "d"])


def test_verdicts_are_held_to_one_error_over_all_comparisons() -> None:
    """The average is right on 4 pages of 100 more than the image alone and on none fewer: by itself p is twice the
    share of resamples that miss all four, 2 x 0.96^100 = 0.034, which is not enough among six comparisons. Two of
    these are certain, so that Holm multiplies it by the four that are left."""
    image = np.zeros(100, np.bool_)
    average = image.copy()
    average[:4] = True
    certain = image.copy()
    certain[:60] = True
    hits = {"image": image, "text": image, "average": average, "weighted": certain, "stacking": image}
    pages = [[str(page) for page in range(100)]]
    alone = compare([average], [image], pages)
    assert alone.verdict == "better" and alone.p_value == pytest.approx(2 * 0.96**100, rel=0.2)
    found = _comparisons([Fitted({}, hits, 0.5)], pages)
    assert found["weighted"]["image"]["verdict"] == "better"
    assert (
        found["stacking"]["image"]["verdict"] == "no significant difference"
        and found["stacking"]["image"]["p_value"] == 1
    )
    one = found["average"]["image"]
    assert one["difference"] == 0.04 and one["verdict"] == "no significant difference"
    assert one["p_value"] == pytest.approx(4 * alone.p_value)
