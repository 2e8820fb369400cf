"""The folder of a study: what was asked, the plan, what became of each trial. It is all that a restart needs."""

import json
from collections.abc import Mapping
from typing import Any

from app.data import files
from app.errors import UsageError
from app.experiment import Study
from app.planning.plan import Plan
from app.planning.profile import Profile
from app.printable import redacted
from app.records import Span, StudyRecord, TrialRecord
from app.run_folder import run, study
from app.run_folder.contents import Stop


class Ledger:
    """Reads and writes one study's folder; every file is there whole or not at all."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def trial_folder(self, name: str) -> str:
        return study.trial_folder(self.folder, name)

    def claim(self, asked: Study, plan: Plan) -> None:
        """The folder is this study's from now on; its plan may change from start to start, and experiments be added.

        Raises:
            UsageError: it is another's.
        """
        wanted = json.loads(json.dumps(redacted(asked.to_dict())))
        before = study.STUDY.find(self.folder)
        found = None if before is None else _as_now(redacted(before))
        if found is None or _extends(_given(found), _given(wanted)):
            study.STUDY.write(self.folder, wanted)
        elif _given(found) != _given(wanted):
            raise UsageError(
                f"{self.folder} holds another study (different: {', '.join(_differences(found, wanted))}); "
                "give this one another --name or --runs folder, or delete that folder"
            )
        study.PLAN.write(self.folder, plan)

    def read_record(self) -> StudyRecord | None:
        """As the last start of the study left it."""
        return study.RECORD.find(self.folder)

    def write_record(self, record: StudyRecord) -> None:
        study.RECORD.write(self.folder, record)

    def finished(self, name: str) -> TrialRecord | None:
        """The record of a trial that is finished."""
        record = run.RECORD.find(self.trial_folder(name))
        return record if record is not None and record.status == "finished" else None

    def spans(self, name: str) -> tuple[Span, ...]:
        """Where a trial's time went, over all its attempts."""
        return tuple(run.SPANS.read(self.trial_folder(name)))

    def profile(self) -> Profile | None:
        """What was measured for the study's plan.

        Raises:
            DamagedFileError: it is no profile.
        """
        path = files.join(self.folder, study.PROFILE_FILE)
        return Profile.parse(files.read_bytes(path), path) if files.exists(path) else None

    def write_profile(self, profile: Profile) -> None:
        files.write_bytes_atomic(files.join(self.folder, study.PROFILE_FILE), profile.to_json().encode())

    def write_stop(self, name: str, epoch: int, score: float, reason: str) -> None:
        """A trial ends early, whatever becomes of this process."""
        study.STOPPED.write(self.trial_folder(name), Stop(epoch, score, reason))

    def stopped_score(self, name: str) -> float | None:
        """That a trial had when it ended early."""
        stop = study.STOPPED.find(self.trial_folder(name))
        return None if stop is None else stop.score

    def stop_reason(self, name: str) -> str | None:
        """Why a trial ended early; None where it has not."""
        stop = study.STOPPED.find(self.trial_folder(name))
        return None if stop is None else stop.reason

    def status(self, name: str) -> dict[str, Any]:
        """What a trial under way last said of itself; empty before its first step."""
        return run.STATUS.find(self.trial_folder(name)) or {}


def _as_now(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the options that have come since, at what they were before there was a choice."""
    try:
        return json.loads(json.dumps(Study.from_dict(found).to_dict()))  # type: ignore[no-any-return]
    except ValueError:
        return found


def _given(found: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is null: a folder may be older than an option."""
    return {key: value for key, value in found.items() if value is not None}


def _extends(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the study has only got more experiments; those of a search are chosen among all, and cannot be added."""
    more, now = ({key: value for key, value in one.items() if key != "experiments"} for one in (wanted, found))
    mine, before = (_by_name(one.get("experiments")) for one in (wanted, found))
    kept = all(mine.get(name) == experiment for name, experiment in before.items())
    return more == now and not now.get("search") and kept and len(mine) > len(before)


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The keys, and of the experiments the names, that differ."""
    keys = sorted(k for k in {**found, **wanted} if k != "experiments" and found.get(k) != wanted.get(k))
    mine, theirs = (_by_name(one.get("experiments")) for one in (wanted, found))
    names = sorted(n for n in {**mine, **theirs} if mine.get(n) != theirs.get(n))
    shown = [f"experiment {name}" for name in names[:3]] + ([f"{len(names) - 3} more"] if len(names) > 3 else [])
    return keys + shown or ["the order of its experiments"]


def _by_name(experiments: object) -> dict[str, object]:
    found = experiments if isinstance(experiments, list) else []
    return {str(e.get("name")): e for e in found if isinstance(e, dict)}
