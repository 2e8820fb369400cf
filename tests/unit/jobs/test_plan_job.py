"""jobs/plan.py: from the records of finished runs to a plan that jobs/study.py reads."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from app.experiment import Experiment, Study
from app.planning.cost import CostModel
from app.planning.forecast import forecasts
from app.planning.measured import profile_of
from app.planning.plan import check
from app.planning.play import Plays
from app.planning.profile import Profile, group_of
from app.planning.search import study_of
from app.planning.stopping import drawn_epochs
from app.records import Session, StudyRecord, StudyTrial, Timings, TrialRecord
from app.reporting.page.formatting import duration
from app.run_folder.contents import Suggested
from app.run_folder.run import RECORD
from app.run_folder.study import PLAN, SUGGESTED
from app.run_folder.study import RECORD as STUDY_RECORD

ROOT = Path(__file__).parents[3]
TRIAL = {"workload": "brats", "batch_size": 2, "epochs": 1}
STUDY = {"name": "three", "experiments": [{**TRIAL, "name": name} for name in "abc"]}


def made_record(k: int, step_s: float) -> TrialRecord:
    return TrialRecord(
        name="a", status="finished", experiment=Experiment.from_dict({**TRIAL, "name": "a"}).to_dict(), store="s",
        num_workers=k, launcher="local", device="gpu", global_batch_size=2, num_steps=10, num_parameters=1000,
        numerics={}, timings=Timings(startup_s=5, step_s=step_s * 8, num_timed_steps=8), samples_per_s=None,
        samples_per_s_per_worker=None, waiting_share=None, binding_limit="compute", metrics={}, host={"num_cores": 2},
    )  # fmt: skip


def plays_of(study: Study, profile: Profile) -> Plays:
    return Plays(study, CostModel(profile))


def write_run(folder: Path, k: int, step_s: float) -> None:
    folder.mkdir()
    (folder / RECORD.name).write_text(RECORD.text(made_record(k, step_s)))


def run(folder: Path, *flags: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "jobs/plan.py"), "--study", "study.json", *flags]
    (folder / "study.json").write_text(json.dumps(STUDY))
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
    )


def test_from_runs_to_a_plan(tmp_path: Path) -> None:
    write_run(tmp_path / "one", 1, 100.0)
    write_run(tmp_path / "both", 2, 60.0)
    flags = ("--workers", "1", "2", "--price-per-worker-hour", "3")
    done = run(tmp_path, *flags, "--profile-from", "one", "both", "--save-profile", "profile.json")
    assert done.returncode == 0, done.stderr
    plan = PLAN.read(str(tmp_path))
    check(plan, study_of(STUDY))
    # on two: one each 2 x 1000 + 5 s, both on each 3 x 600 + 5 s, two at once and then the third on both 1610 s
    assert [(s.workers_per_trial, len(s.trials)) for s in plan.stages] == [(1, 2), (2, 1)]
    assert "chosen for least time: mixed:1+2 on 2 workers" in done.stdout
    assert "2.68" in done.stdout  # 1610 s x 2 workers at 3 an hour
    again = run(tmp_path, *flags, "--profile", "profile.json", "--objective", "cost")
    assert again.returncode == 0, again.stderr
    assert PLAN.read(str(tmp_path)).num_workers == 1  # 3005 worker-seconds; 3220 on two


def test_a_page_and_how_often_to_write_checkpoints(tmp_path: Path) -> None:
    """A checkpoint of 2 s in an epoch and a worker lost each day, of one: sqrt(2 x 2 x 86,400) = 588 s."""
    timings = Timings(startup_s=5, step_s=800.0, num_timed_steps=8, checkpoint_s=2.0)
    write_run(tmp_path / "one", 1, 100.0)
    (tmp_path / "one" / "record.json").write_text(RECORD.text(replace(made_record(1, 100.0), timings=timings)))
    flags = ("--workers", "1", "--profile-from", "one", "--page", "plan.html", "--failures-per-worker-day", "1")
    done = run(tmp_path, *flags)
    assert done.returncode == 0, done.stderr
    assert "checkpoint_every_s 588 costs least" in done.stdout
    # 3 x 1,004 s and a start of 5 s; a failure in 86,400 s costs 150 s of steps and that start
    assert "with 300, as the study has it, failures cost 5.4 s of 50 min" in done.stdout
    assert "Who would do what when" in (tmp_path / "plan.html").read_text()
    some = run(tmp_path, *flags, "--job-limit-h", "0.25")
    told = "4 jobs of at most 15 min 00 s, 57 min 56 s in all; each but the first starts in 5.0 s and does 2 min 30 s"
    assert told in some.stdout, some.stdout
    never = run(tmp_path, *flags[:-1], "0")
    assert (never.returncode, "--failures-per-worker-day: got 0" in never.stderr) == (2, True)


def test_the_timeline_of_the_page_is_as_long_as_the_plan(tmp_path: Path, open_job: Callable[[str], ModuleType]) -> None:
    """The start of the command, the choice of numerics and its end included: 3 x 1,000 + 5 s, 40 + 20 + 9 s."""
    profile = profile_of([], [made_record(1, 100.0)])
    samples = tuple(replace(one, choosing_s=20.0) for one in profile.samples)
    profile = replace(profile, samples=samples, readies_s=(40.0,), closings_s=(9.0,))
    study = study_of(STUDY)
    (found,) = forecasts(study, profile, 1)
    open_job("plan").write_page(str(tmp_path / "p.html"), plays_of(study, profile), [found], found, None)
    page = (tmp_path / "p.html").read_text()
    assert f"experiment-parallel, {duration(found.makespan_s)}" in page


def test_the_page_draws_trials_as_short_as_a_scheduler_may_leave_them(
    tmp_path: Path, open_job: Callable[[str], ModuleType]
) -> None:
    """Twelve trials of 9 epochs of 1,000 s are 108,000 s whole; with asha most end after an epoch."""
    trials = [{**TRIAL, "epochs": 9, "name": f"t{number:02d}"} for number in range(12)]
    study = study_of({"name": "s", "experiments": trials, "scheduler": {"name": "asha", "reduction_factor": 3}})
    profile = profile_of([], [made_record(1, 100.0)])
    found = forecasts(study, profile, 1)
    open_job("plan").write_page(str(tmp_path / "p.html"), plays_of(study, profile), found, found[0], None)
    page = (tmp_path / "p.html").read_text()
    epochs = sum(drawn_epochs(study, 0).values())
    assert 12 < epochs < 70
    assert duration(5 + epochs * 1000.0) in page
    assert "It is one of many ways" in page


def test_what_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "one", 1, 100.0)
    neither = run(tmp_path, "--workers", "2")
    assert (neither.returncode, "expected --profile FILE or --profile-from" in neither.stderr) == (2, True)
    late = run(tmp_path, "--workers", "2", "--profile-from", "one", "--deadline-h", "0.01")
    assert (late.returncode, "--deadline-h: got 0.01 h" in late.stderr) == (2, True)
    for flag, value in (("--price-per-worker-hour", "-1"), ("--deadline-h", "0"), ("--workers", "0")):
        wrong = run(tmp_path, "--workers", "2", "--profile-from", "one", flag, value)
        assert (wrong.returncode, f"{flag}: got" in wrong.stderr) == (2, True), wrong.stderr
    assert not (tmp_path / "plan.json").exists()


def test_from_a_study_s_folder_to_a_plan(tmp_path: Path) -> None:
    """Its records have defaults filled in; what was asked for stands in its study.json."""
    folder = tmp_path / "before"
    trials = []
    for number, name in enumerate("abc"):
        ran = Experiment.from_dict({**TRIAL, "name": name, "task": {"filled": "in"}})
        timings = Timings(startup_s=5 if number < 2 else 1, step_s=800.0, num_timed_steps=8, total_s=900.0)
        record = replace(made_record(1, 100.0), name=name, experiment=ran.to_dict(), timings=timings)
        (folder / "trials" / name).mkdir(parents=True)
        (folder / "trials" / name / "record.json").write_text(RECORD.text(record))
        start_s = 1000.0 if number < 2 else 1910.0
        trials.append(StudyTrial(name, "finished", 0, number % 2, 1, start_s, start_s + 905.0, 1))
    sessions = (Session(1000.0, 2820.0),)
    study = StudyRecord("three", "finished", "experiment-parallel", {"stages": []}, 2, "CPU", sessions, tuple(trials))
    (folder / "record.json").write_text(STUDY_RECORD.text(study))
    (folder / "study.json").write_text(json.dumps(study_of(STUDY).to_dict()))
    done = run(tmp_path, "--workers", "2", "--profile-from", "before", "--save-profile", "profile.json")
    assert done.returncode == 0, done.stderr
    samples = Profile.parse((tmp_path / "profile.json").read_bytes(), "p").samples
    # a and b end 5 s after they are done; c begins 5 s after one of them has ended
    assert [(s.start, s.handover_s) for s in samples] == [("command", 5), ("command", 5), ("kept", 10)]
    assert group_of(study_of(STUDY).experiments[0]) in samples[0].groups


def test_text_trainings_wait_for_ocr_on_cores_that_gpus_leave_free(tmp_path: Path) -> None:
    """a waits and so goes last: on one GPU it begins after 5 + 2 x 1,000 s, where all is as measured. One core of two
    is left: 2,880 pages at 2 a second take 1,440 s, 14,400 take 7,200."""
    write_run(tmp_path / "one", 1, 100.0)
    flags = ("--workers", "1", "--profile-from", "one", "--page", "plan.html", "--beside")
    short = run(tmp_path, *flags, "ocr=2880@2:a")
    assert short.returncode == 0, short.stderr
    assert PLAN.read(str(tmp_path)).stages[0].trials == ("b", "c", "a")
    assert "ocr: done after 24 min 00 s on 1 core that training leaves free" in short.stdout
    assert "start both together" in short.stdout
    page = (tmp_path / "plan.html").read_text()
    assert "ocr done" in page and "after ocr, which runs on other cores" not in page
    long = run(tmp_path, *flags, "ocr=14400@2:a")
    assert "ocr: done after 2 h 00 min" in long.stdout and "before the study" in long.stdout
    assert "after ocr, which runs on other cores" in (tmp_path / "plan.html").read_text()
    more = run(tmp_path, *flags, "ocr=14400@2:a", "--beside-cores", "8")
    assert "ocr: done after 15 min 00 s on 8 cores" in more.stdout and "start both together" in more.stdout
    wrong = run(tmp_path, *flags, "ocr=14400@2:text-*")
    assert (wrong.returncode, "--beside ocr: no trial is named 'text-*'" in wrong.stderr) == (2, True)


def test_what_waits_begins_earlier_where_trials_before_it_end_early(open_job: Callable[[str], ModuleType]) -> None:
    """Eight epochs of 1,000 s each, one trial after the other. Whole, c begins after 16 of them; with ASHA after fewer,
    and not before the nine that a and b train at least, for who comes first to a rung goes on."""
    plan, profile = open_job("plan"), profile_of([], [made_record(1, 100.0)])
    began_s = {}
    for how, more in (
        ("whole", {}),
        ("asha", {"scheduler": {"name": "asha", "grace_period": 1, "reduction_factor": 2}}),
    ):
        study = study_of({**STUDY, "experiments": [{**one, "epochs": 8} for one in STUDY["experiments"]], **more})
        works = plan.Works(
            plan.Arguments(workers=(1,), beside=("ocr=1@1:c",), beside_cores=1), plays_of(study, profile), profile
        )
        found = forecasts(study, profile, 1, waiting=works.waiting)[0]
        early = found.low_s / found.makespan_s
        began_s[how] = works.starts(found)[0].needed_s / early
    assert began_s["whole"] == pytest.approx(5 + 16 * 1000, rel=0.01)
    assert 9_000 < began_s["asha"] < 15_500


def test_what_an_earlier_search_chose_is_what_was_measured(
    tmp_path: Path, open_job: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two trials of batches of 2 and 4, of which the study's file has neither."""
    monkeypatch.syspath_prepend(str(ROOT / "jobs"))
    search = {"algorithm": "optuna", "num_trials": 2, "parameters": {"batch_size": [2, 4]}, "base": {**TRIAL}}
    searched = study_of({"name": "s", "search": search})
    (tmp_path / "study.json").write_text(json.dumps(searched.to_dict()))
    for name, batch in (("000", 2), ("001", 4)):
        folder = tmp_path / "trials" / name
        folder.mkdir(parents=True)
        (folder / SUGGESTED.name).write_text(SUGGESTED.text(Suggested({"batch_size": batch}, {"batch_size": batch})))
    study = StudyRecord("s", "finished", "x", {}, 1, "CPU", (Session(0.0, 9.0),), ())
    (tmp_path / "record.json").write_text(STUDY_RECORD.text(study))
    _, asked = open_job("plan").read_study_record(str(tmp_path))
    assert [asked[name].batch_size for name in ("000", "001")] == [2, 4]


def test_a_single_run_serves_a_study_whose_store_fills_its_tasks_in(
    monkeypatch: pytest.MonkeyPatch, open_job: Callable[[str], ModuleType]
) -> None:
    from app.workloads import registry

    plan, asked = open_job("plan"), study_of(STUDY)
    ran = replace(asked.experiments[0], task={"filled": "in"})
    profile = profile_of([], [replace(made_record(1, 100.0), experiment=ran.to_dict())])
    monkeypatch.setattr(registry, "find_check", lambda _: lambda task, store: {"filled": "in"} if store else {})
    with pytest.raises(ValueError, match="the profile has no training"):
        forecasts(asked, profile, 1)
    known = plan.resolved(asked, profile, "/store")
    assert forecasts(known, profile, 1)[0].makespan_s > 3 * 1000
