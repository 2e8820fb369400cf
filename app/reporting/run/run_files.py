"""The files of one run as a report reads them: names relative to the run's folder, and their content.

Whoever calls decides where they come from (a local folder, an object store). A file that is missing is nothing wrong;
one that cannot be understood costs what it would have shown, and is named.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from app.records import TrialRecord
from app.reporting.page.scores import ScoreTexts
from app.run_folder.contents import Mean
from app.run_folder.run import (
    CASES,
    CONFIG,
    DOCUMENTS,
    ENSEMBLE,
    EVALUATIONS,
    METRICS,
    PREDICTIONS,
    RECORD,
    SHEET,
    SUMMARY,
)
from app.strict_json import DamagedFileError

Files = Mapping[str, bytes]

PATTERNS = (
    *(kind.name for kind in (CONFIG, METRICS, RECORD)),
    f"{EVALUATIONS}/*/{SUMMARY.name}",
    f"{EVALUATIONS}/*/{CASES.name}",
    f"{DOCUMENTS}/{ENSEMBLE.name}",
    f"{DOCUMENTS}/*/{RECORD.name}",
    f"{DOCUMENTS}/{PREDICTIONS}/{SHEET.name}",
)
"""What of a run's folder a report uses."""

NOT_SCORES = ("epoch", "step", "loss", "score", "samples_per_s", "waiting_share", "elapsed_s")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Epoch:
    """One line of metrics.jsonl."""

    epoch: int
    loss: float
    scores: Mapping[str, float]
    """Empty where the epoch was not evaluated."""
    elapsed_s: float


@dataclass(frozen=True)
class Case:
    id: str
    scores: Mapping[str, float | None]
    """None where the score is not defined for this case."""


@dataclass(frozen=True)
class ScoredSplit:
    """What the evaluate job found on one split: its summary, and the table of its cases."""

    split: str
    means: Mapping[str, Mean]
    cases: tuple[Case, ...]
    interval: str
    """How the means' intervals were made."""
    conventions: tuple[str, ...]
    """How cases without a region and the like were counted."""


@dataclass(frozen=True)
class Picture:
    """A PNG of a prediction; width and height in pixels."""

    name: str
    content: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Problem:
    """A file that could not be used."""

    file: str
    reason: str


@dataclass(frozen=True)
class Run:
    """What is known of one run; what its files do not tell is None or empty."""

    name: str
    record: TrialRecord | None = None
    config: Mapping[str, Any] | None = None
    epochs: Sequence[Epoch] = ()
    evaluations: Sequence[ScoredSplit] = ()
    pictures: Sequence[Picture] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """Cases of the store by split."""
    store: Mapping[str, Any] = field(default_factory=dict)
    """How the store was made: splits, patients, meaning of labels, voxel size."""
    problems: Sequence[Problem] = ()
    scores: ScoreTexts = field(default_factory=ScoreTexts)


def is_wanted(name: str) -> bool:
    """Whether a report uses this file of a run's folder."""
    return any(fnmatchcase(name, pattern) and name.count("/") == pattern.count("/") for pattern in PATTERNS)


def read_record(files: Files) -> TrialRecord | None:
    """Raises DamagedFileError."""
    return RECORD.parse(files[RECORD.name]) if RECORD.name in files else None


def read_config(files: Files) -> Mapping[str, Any] | None:
    """The experiment as requested. Raises DamagedFileError."""
    return CONFIG.parse(files[CONFIG.name]) if CONFIG.name in files else None


def read_epochs(files: Files) -> tuple[Epoch, ...]:
    """Raises DamagedFileError."""
    lines = METRICS.parse(files.get(METRICS.name, b""))
    return tuple(_epoch(f"{METRICS.name}, line {number}", line) for number, line in enumerate(lines, 1))


def evaluated_splits(files: Files) -> list[str]:
    """The test split first."""
    splits = {name.split("/")[1] for name in files if name.startswith(f"{EVALUATIONS}/")}
    return sorted(splits, key=lambda split: (split != "test", split))


def read_evaluation(files: Files, split: str) -> ScoredSplit:
    """Raises DamagedFileError."""
    folder = f"{EVALUATIONS}/{split}"
    summary_name, cases_name = f"{folder}/{SUMMARY.name}", f"{folder}/{CASES.name}"
    table = CASES.parse(files[cases_name], cases_name) if cases_name in files else {}
    cases = tuple(Case(case, scores) for case, scores in table.items())
    if summary_name not in files:
        return ScoredSplit(split, {}, cases, "", ())
    summary = SUMMARY.parse(files[summary_name], summary_name)
    return ScoredSplit(split, summary.scores, cases, summary.interval, tuple(summary.conventions))


def read_picture(name: str, content: bytes) -> Picture:
    """Raises DamagedFileError."""
    if not content.startswith(PNG_SIGNATURE) or len(content) < 45 or not content.endswith(b"IEND\xaeB`\x82"):
        raise DamagedFileError(name, f"not a whole PNG ({len(content)} bytes)")
    width, height = struct.unpack(">II", content[16:24])
    return Picture(name, content, width, height)


def _epoch(where: str, line: Mapping[str, Any]) -> Epoch:
    numbers = {key: float(value) for key, value in line.items() if value is not None and math.isfinite(value)}
    missing = [key for key in ("epoch", "loss", "elapsed_s") if key not in numbers]
    if missing:
        raise DamagedFileError(where, f"no finite number for {', '.join(missing)}")
    scores = {key: value for key, value in numbers.items() if key not in NOT_SCORES}
    return Epoch(int(numbers["epoch"]), numbers["loss"], scores, numbers["elapsed_s"])
