"""The folder of a study: what was asked, the plan, what became of each trial. It is all that a restart needs."""

import json
from collections.abc import Callable
from typing import TypeVar

from app.configuration import to_dict
from app.data import files
from app.errors import DataError, UsageError
from app.experiment import Study
from app.planning.plan import Plan
from app.printable import redacted
from app.records import Span, StudyRecord, TrialRecord

Content = TypeVar("Content")

STOPPED_FILE = "stopped.json"
"""In the folder of a trial that a scheduler ended early."""


class Ledger:
    """Reads and writes one study's folder; every file is there whole or not at all."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def trial_folder(self, name: str) -> str:
        return files.join(self.folder, "trials", name)

    def claim(self, study: Study, plan: Plan) -> None:
        """The folder is this study's from now on; its plan may change from start to start.

        Raises:
            UsageError: it is another's.
        """
        path = files.join(self.folder, "study.json")
        wanted = json.loads(json.dumps(redacted(study.to_dict())))
        found = _as_now(redacted(files.read_json(path))) if files.exists(path) else None
        if found is None:
            files.write_json(path, wanted)
        elif _given(found) != _given(wanted):
            raise UsageError(
                f"{self.folder} holds another study (different: {', '.join(_differences(found, wanted))}); "
                "give this one another --name or --runs folder, or delete that folder"
            )
        files.write_bytes_atomic(files.join(self.folder, "plan.json"), plan.to_json().encode())

    def read_record(self) -> StudyRecord | None:
        """As the last start of the study left it."""
        path = files.join(self.folder, "record.json")
        return _parsed(path, StudyRecord.from_json) if files.exists(path) else None

    def write_record(self, record: StudyRecord) -> None:
        files.write_bytes_atomic(files.join(self.folder, "record.json"), json.dumps(redacted(to_dict(record))).encode())

    def finished(self, name: str) -> TrialRecord | None:
        """The record of a trial that is finished."""
        path = files.join(self.trial_folder(name), "record.json")
        if not files.exists(path):
            return None
        record = _parsed(path, TrialRecord.from_json)
        return record if record.status == "finished" else None

    def spans(self, name: str) -> tuple[Span, ...]:
        """Where a trial's time went, over all its attempts."""
        path = files.join(self.trial_folder(name), "spans.jsonl")
        if not files.exists(path):
            return ()
        return _parsed(path, _spans)

    def write_stop(self, name: str, epoch: int, score: float, reason: str) -> None:
        """A trial ends early, whatever becomes of this process."""
        content = {"epoch": epoch, "score": score, "reason": reason}
        files.write_json(files.join(self.trial_folder(name), STOPPED_FILE), content)

    def stopped_score(self, name: str) -> float | None:
        """That a trial had when it ended early."""
        path = files.join(self.trial_folder(name), STOPPED_FILE)
        score: float | None = files.read_json(path).get("score") if files.exists(path) else None
        return score

    def stop_reason(self, name: str) -> str | None:
        """Why a trial ended early; None where it has not."""
        path = files.join(self.trial_folder(name), STOPPED_FILE)
        return str(files.read_json(path)["reason"]) if files.exists(path) else None

    def status(self, name: str) -> dict[str, object]:
        """What a trial under way last said of itself; empty before its first step."""
        path = files.join(self.trial_folder(name), "status.json")
        found: dict[str, object] = files.read_json(path) if files.exists(path) else {}
        return found


def _spans(text: str) -> tuple[Span, ...]:
    whole_lines = text.split("\n")[:-1]  # a crash may have cut the last
    return tuple(Span(**json.loads(line)) for line in whole_lines)


def _parsed(path: str, parse: Callable[[str], Content]) -> Content:
    try:
        return parse(files.read_bytes(path).decode())
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is damaged: {error}; restore it, or delete it (a trial without its record goes on from its "
            "checkpoint)"
        ) from error


def _as_now(study: dict[str, object]) -> dict[str, object]:
    """With the options that have come since, at what they were before there was a choice."""
    try:
        return json.loads(json.dumps(Study.from_dict(study).to_dict()))  # type: ignore[no-any-return]
    except ValueError:
        return study


def _given(study: dict[str, object]) -> dict[str, object]:
    """Without what is null: a folder may be older than an option."""
    return {key: value for key, value in study.items() if value is not None}


def _differences(found: dict[str, object], wanted: dict[str, object]) -> list[str]:
    """The keys, and of the experiments the names, that differ."""
    keys = sorted(k for k in {**found, **wanted} if k != "experiments" and found.get(k) != wanted.get(k))
    mine, theirs = (_by_name(study.get("experiments")) for study in (wanted, found))
    names = sorted(n for n in {**mine, **theirs} if mine.get(n) != theirs.get(n))
    shown = [f"experiment {name}" for name in names[:3]] + ([f"{len(names) - 3} more"] if len(names) > 3 else [])
    return keys + shown or ["the order of its experiments"]


def _by_name(experiments: object) -> dict[str, object]:
    found = experiments if isinstance(experiments, list) else []
    return {str(e.get("name")): e for e in found if isinstance(e, dict)}
