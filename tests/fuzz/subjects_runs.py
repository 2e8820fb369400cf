"""The files of runs and studies, and what reports and plans make of them."""

from functools import cache
from pathlib import Path
from typing import Any

import made_run
import made_study
from measured_records import record as measured_record
from subject import Subject

from app.data import files
from app.planning.measured import profile_of
from app.planning.plan import Plan, Stage
from app.planning.profile import Profile
from app.planning.search import study_of
from app.reporting.run.report import build_report
from app.reporting.study.report import build_study_report
from app.run_folder import run, study
from app.run_folder.contents import Attempt, Stop, StoreClaim, Suggested


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _make_run(folder: Path) -> None:
    _write(folder, made_run.finished_run())
    place = str(folder)
    run.STORES.write(place, {"": StoreClaim("/data/store", "abc")})
    run.ATTEMPTS.write(place, [Attempt(1.0, 2.0), Attempt(3.0, 4.0, nodes=("a",))])
    run.SPANS.write(place, measured_study().trials[0].spans)
    run.STEPS.write(place, [{"epoch": 1, "step": n, "loss": 0.5, "learning_rate": 0.1} for n in range(1, 9)])
    run.STATUS.write(place, {"epoch": 1, "epochs": 2, "step": 1, "num_steps": 4, "loss": 0.5, "scores": {"dice": 0.5}})
    run.ORIGIN.write(place, {"run": "/runs/a", "epoch": 3})


@cache
def measured_study() -> Any:
    return made_study.study("experiment-parallel", 1, num_trials=3)


def _make_study(folder: Path) -> None:
    _write(folder, made_study.study_files(measured_study()))
    place = str(folder)
    experiments = [made_study.experiment(number) for number in range(3)]
    study.STUDY.write(place, {"name": "seed-grid", "experiments": experiments})
    names = tuple(made_study.trial_name(number) for number in range(3))
    study.PLAN.write(place, Plan("seed-grid", 4, "experiment-parallel", (Stage(1, 4, names),)))
    study.STOPPED.write(place, Stop(3, 0.5, "asha"))
    study.SUGGESTED.write(place, Suggested({"seed": 3}, {"seed": 0.5}))
    records = [measured_record(f"t{k}", k) for k in (1, 2)]
    profile = profile_of([], records)
    (folder / "profile.json").write_text(profile.to_json())


def _read_profile(folder: Path) -> Profile:
    return Profile.parse((folder / "profile.json").read_bytes(), "profile.json")


def _report_run(folder: Path) -> Any:
    return build_report("demo", _contents(folder)).data


def _report_study(folder: Path) -> Any:
    return build_study_report({"a": _contents(folder)}).data


def _each(kinds: dict[str, Any]) -> dict[str, Subject]:
    """A run's or study's files, each by its own reader."""
    made = {"run": _make_run, "study": _make_study}
    return {
        f"{owner} {kind.name}": Subject(
            made[owner],
            lambda folder, kind=kind: kind.read(str(folder)),
            (kind.name,),
            getattr(kind, "is_sealed", False),
        )
        for owner, found in kinds.items()
        for kind in found
    }


RUN_KINDS = [
    run.CONFIG,
    run.RECORD,
    run.METRICS,
    run.STEPS,
    run.STATUS,
    run.ORIGIN,
    run.STORES,
    run.ATTEMPTS,
    run.SPANS,
]
STUDY_KINDS = [study.STUDY, study.PLAN, study.RECORD, study.STOPPED, study.SUGGESTED]
RUN_FILES = tuple(made_run.finished_run())
STUDY_FILES = (
    "record.json",
    *(f"trials/{made_study.trial_name(0)}/{name}" for name in ("config.json", "metrics.jsonl")),
)
SUBJECTS: dict[str, Subject] = {
    **_each({"run": RUN_KINDS, "study": STUDY_KINDS}),
    "profile": Subject(_make_study, _read_profile, ("profile.json",)),
    "study to run": Subject(
        _make_study, lambda folder: study_of(files.read_json(str(folder / "study.json"))), ("study.json",)
    ),
    "report on a run": Subject(_make_run, _report_run, RUN_FILES, share=0.3),
    "report on a study": Subject(_make_study, _report_study, STUDY_FILES, share=0.1),
}
