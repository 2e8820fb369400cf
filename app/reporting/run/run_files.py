"""The files of one run as a report reads them: names relative to the run's folder, and their content.

Whoever calls decides where they come from (a local folder, an object store). A file that is missing is nothing wrong;
one that cannot be understood costs what it would have shown, and is named.
"""

import csv
import io
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from app.records import TrialRecord
from app.reporting.page.scores import ScoreTexts

Files = Mapping[str, bytes]

PATTERNS = (
    "config.json",
    "metrics.jsonl",
    "status.json",
    "failure.json",
    "record.json",
    "evaluation/*/summary.json",
    "evaluation/*/cases.csv",
    "documents/ensemble.json",
    "documents/*/record.json",
    "documents/predictions/sheet.json",
)
"""What of a run's folder a report uses."""

NOT_SCORES = ("epoch", "step", "loss", "score", "samples_per_s", "waiting_share", "elapsed_s")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class DamagedFileError(ValueError):
    """A file of the run does not hold what it should."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file, self.reason = file, reason


@dataclass(frozen=True)
class Epoch:
    """One line of metrics.jsonl."""

    epoch: int
    loss: float
    scores: Mapping[str, float]
    """Empty where the epoch was not evaluated."""
    elapsed_s: float


@dataclass(frozen=True)
class Mean:
    """Over the cases for which the score is defined."""

    mean: float | None
    low: float | None
    high: float | None
    """Ends of the bootstrap interval."""
    num_cases: int | None


@dataclass(frozen=True)
class Case:
    id: str
    scores: Mapping[str, float | None]
    """None where the score is not defined for this case."""


@dataclass(frozen=True)
class Evaluation:
    """What the evaluate job found on one split."""

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
    evaluations: Sequence[Evaluation] = ()
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
    name = "record.json"
    if name not in files:
        return None
    try:
        return TrialRecord.from_json(files[name].decode())
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedFileError(name, f"{error}") from error


def read_config(files: Files) -> Mapping[str, Any] | None:
    """The experiment as it was asked for. Raises DamagedFileError."""
    return read_mapping("config.json", files["config.json"]) if "config.json" in files else None


def read_epochs(files: Files) -> tuple[Epoch, ...]:
    """Raises DamagedFileError."""
    name = "metrics.jsonl"
    if name not in files:
        return ()
    lines = _decoded(name, files[name]).split("\n")[:-1]  # a last line without its newline is being written
    return tuple(_epoch(f"{name}, line {number}", line) for number, line in enumerate(lines, 1))


def evaluated_splits(files: Files) -> list[str]:
    """The test split first."""
    splits = {name.split("/")[1] for name in files if name.startswith("evaluation/")}
    return sorted(splits, key=lambda split: (split != "test", split))


def read_evaluation(files: Files, split: str) -> Evaluation:
    """Raises DamagedFileError."""
    folder = f"evaluation/{split}"
    summary_name, cases_name = f"{folder}/summary.json", f"{folder}/cases.csv"
    summary = read_mapping(summary_name, files[summary_name]) if summary_name in files else {}
    cases = _cases(cases_name, files[cases_name]) if cases_name in files else ()
    conventions = summary.get("conventions", [])
    if not isinstance(conventions, list):
        raise DamagedFileError(f"{summary_name}, conventions", f"got {conventions!r}, expected a list")
    means = _means(f"{summary_name}, scores", summary.get("scores", {}))
    return Evaluation(split, means, cases, str(summary.get("interval", "")), tuple(str(c) for c in conventions))


def read_picture(name: str, content: bytes) -> Picture:
    """Raises DamagedFileError."""
    if not content.startswith(PNG_SIGNATURE) or len(content) < 45 or not content.endswith(b"IEND\xaeB`\x82"):
        raise DamagedFileError(name, f"not a whole PNG ({len(content)} bytes)")
    width, height = struct.unpack(">II", content[16:24])
    return Picture(name, content, width, height)


def _epoch(where: str, line: str) -> Epoch:
    values = read_mapping(where, line.encode())
    numbers = {key: value for key, value in values.items() if isinstance(value, int | float) and math.isfinite(value)}
    missing = [key for key in ("epoch", "loss", "elapsed_s") if key not in numbers]
    if missing:
        raise DamagedFileError(where, f"no finite number for {', '.join(missing)}")
    scores = {key: float(value) for key, value in numbers.items() if key not in NOT_SCORES}
    return Epoch(int(numbers["epoch"]), float(numbers["loss"]), scores, float(numbers["elapsed_s"]))


def _means(where: str, scores: Any) -> dict[str, Mean]:
    found: dict[str, Mean] = {}
    for key, values in _mapping_of(where, scores).items():
        given = _mapping_of(f"{where}, {key}", values)
        numbers = {name: _number(f"{where}, {key}", given.get(name)) for name in ("mean", "low", "high", "num_cases")}
        count = numbers.pop("num_cases")
        found[key] = Mean(**numbers, num_cases=None if count is None else int(count))
    return found


def _cases(name: str, content: bytes) -> tuple[Case, ...]:
    rows = csv.reader(io.StringIO(_decoded(name, content)), strict=True)
    try:
        header, *lines = [row for row in rows if row]
    except (csv.Error, ValueError) as error:
        raise DamagedFileError(name, f"{error}") from error
    cases = []
    for number, line in enumerate(lines, 2):
        if len(line) != len(header):
            raise DamagedFileError(f"{name}, line {number}", f"{len(line)} columns, expected {len(header)}")
        scores = {
            key: _cell(f"{name}, line {number}, {key}", text) for key, text in zip(header[1:], line[1:], strict=True)
        }
        cases.append(Case(line[0], scores))
    return tuple(cases)


def _cell(where: str, text: str) -> float | None:
    if text.strip().lower() in ("", "none", "nan"):
        return None
    try:
        return float(text)
    except ValueError as error:
        raise DamagedFileError(where, f"got {text!r}, expected a number or nothing") from error


def _number(where: str, value: Any) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise DamagedFileError(where, f"got {value!r}, expected a number or null")
    return None if value is None or math.isnan(value) else value


def read_mapping(where: str, content: bytes) -> Mapping[str, Any]:
    """The JSON object of a file. Raises DamagedFileError."""
    try:
        return _mapping_of(where, json.loads(_decoded(where, content)))
    except json.JSONDecodeError as error:
        raise DamagedFileError(where, f"no JSON: {error}") from error


def _mapping_of(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DamagedFileError(where, f"got {str(value)[:60]!r}, expected names with values")
    return value


def _decoded(where: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DamagedFileError(where, f"no text: {error}") from error
