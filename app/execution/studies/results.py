"""What Tune is given of a trial and told by it, and what is left of that in the trial's folder."""

import math
from collections.abc import Mapping
from typing import Any

from app.run_folder.run import METRICS

ORDER, SHAPE, VALUES, DESK = "order", "shape", "values", "desk"
"""Keys of a trial's configuration; `values`: options by path that a scheduler may change on the way; `desk`: of a group
that was started beforehand, or None."""
SCORE, EPOCH = "score", "epoch"
"""Keys of each result: what schedulers and searchers compare by, and their time."""
FAILURE, PLACE = "failure", "place"
"""Keys of a last result: why the trial failed; that its workers never came, so that it waits for others."""
WORST = -1e9
"""In place of a score that is not a number: schedulers let NaN go on, and searchers wait for it forever."""


def evaluations(folder: str) -> list[dict[str, Any]]:
    """The lines of a trial's metrics.jsonl that have a score, without one that a crash cut."""
    return [line for line in METRICS.read(folder) if SCORE in line]


def as_result(line: Mapping[str, Any]) -> dict[str, Any]:
    """An evaluation as schedulers and searchers are told of it."""
    known = {key: value for key, value in line.items() if value is not None}
    score = known.get(SCORE, math.nan)
    return {**known, SCORE: score if math.isfinite(score) else WORST}
