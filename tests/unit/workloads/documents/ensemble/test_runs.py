"""Ensembles of several partitions: what is refused, and how many comparisons are held to one error."""

from pathlib import Path

import numpy as np
import pytest

from app.errors import UsageError
from app.workloads.documents.ensemble.methods import Fitted
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
    """The average is right on 6 pages more than the image alone and on none fewer: by itself 2 / 2^6 = 0.03, which is
    not enough among six comparisons."""
    image = np.zeros(100, np.bool_)
    average = image.copy()
    average[:6] = True
    certain = image.copy()
    certain[:60] = True
    hits = {"image": image, "text": image, "average": average, "weighted": certain, "stacking": image}
    found = _comparisons([Fitted({}, hits, 0.5)], [[str(page) for page in range(100)]])
    assert found["weighted"]["image"]["verdict"] == "better"
    assert (
        found["stacking"]["image"]["verdict"] == "no significant difference"
        and found["stacking"]["image"]["p_value"] == 1
    )
    one = found["average"]["image"]
    assert one["difference"] == 0.06 and one["low"] > 0
    assert one["p_value"] > 0.001  # of the bootstrap by itself 2 x 0.94^100 = 0.004, times the comparisons left
