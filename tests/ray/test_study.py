"""Studies on Ray: the same result under every plan, through failures and restarts, nothing run twice."""

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

TOY = Path(__file__).parents[1] / "unit" / "training"
sys.path.insert(0, str(TOY))  # Ray's workers get the driver's path

from toy import toy_experiment  # noqa: E402

from app.errors import DataError, ResourceError, UsageError  # noqa: E402
from app.execution.studies import widening  # noqa: E402
from app.execution.studies.automatic import automatic_plan  # noqa: E402
from app.execution.studies.study import StudySetting, run_study  # noqa: E402
from app.execution.trials.trial import run_trial  # noqa: E402
from app.experiment import Experiment, Study  # noqa: E402
from app.planning.plan import Plan, Stage, plan_of_strategy  # noqa: E402
from app.planning.profile import Profile  # noqa: E402
from app.records import StudyRecord  # noqa: E402
from app.reporting.study.predicted import prediction_of  # noqa: E402
from app.reporting.study.report import build_study_report  # noqa: E402
from app.reporting.study.study_files import is_wanted  # noqa: E402
from app.run_folder.study import RECORD as STUDY_RECORD  # noqa: E402
from app.scheduling import Scheduler  # noqa: E402
from app.training.order import Order  # noqa: E402

pytestmark = pytest.mark.ray


def experiment(name: str, **changes: Any) -> Experiment:
    return dataclasses.replace(toy_experiment(**changes), name=name, workload="toy:ToyWorkload")


def run(study: Study, folder: Path, plan: str | Plan, **setting: Any) -> StudyRecord:
    """Workers read for themselves, unless `setting` says who does: Ray Data's processes take longer to start."""
    chosen = plan if isinstance(plan, Plan) else plan_of_strategy(study, plan, 2)
    return run_study(
        study, chosen, StudySetting(str(folder), {"": str(folder.parent)}, **{"feeding": "worker", **setting})
    )


def run_alone(what: Experiment, folder: Path) -> None:
    """Without Ray."""
    run_trial(Order(what, "", str(folder / "trials" / what.name), time.time(), launcher="local"))


def losses(folder: Path, trial: str) -> list[float]:
    lines = [json.loads(line) for line in (folder / "trials" / trial / "steps.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1)), "every step once, in order"
    return [line["loss"] for line in lines]


def test_every_plan_gives_the_curves_of_a_training_without_ray(ray_cluster: None, tmp_path: Path) -> None:
    study = Study("s", tuple(experiment(f"seed{seed}", seed=seed, task={"num_rows": 20}) for seed in range(3)))
    mixed = Plan("s", 2, "mixed", (Stage(2, 1, ("seed2",)), Stage(1, 2, ("seed0", "seed1"))))
    run(study, tmp_path / "ep", "experiment-parallel", feeding="ray")
    run(study, tmp_path / "mixed", mixed, feeding=None)
    record = run(study, tmp_path / "dp", "data-parallel")
    for e in study.experiments:
        run_alone(e, tmp_path / "plain")
        for folder in ("ep", "mixed", "dp"):
            assert losses(tmp_path / folder, e.name) == pytest.approx(losses(tmp_path / "plain", e.name), abs=1e-5)
    assert record.status == "finished" and record.best_trial is not None and record.score == "accuracy"
    assert [(t.status, t.workers_per_trial, t.lane, t.num_attempts) for t in record.trials] == [
        ("finished", 2, 0, 1)
    ] * 3
    first, second, third = record.trials
    assert first.end_s <= second.start_s and second.end_s <= third.start_s  # type: ignore[operator]
    assert second.spans[0].phase == "startup" and second.spans[0].end_s - second.spans[0].start_s < 5.0
    assert STUDY_RECORD.parse((tmp_path / "dp" / "record.json").read_bytes()) == record


@pytest.mark.parametrize(("plan", "rank"), [("experiment-parallel", "0"), ("data-parallel", "1")])
def test_a_worker_that_dies_is_replaced_and_the_trial_goes_on(
    ray_cluster: None, tmp_path: Path, plan: str, rank: str
) -> None:
    task = {"num_rows": 20}
    marker = tmp_path / "killed"
    mortal = {**task, "kill_marker": str(marker), "kill_rank": rank}
    study = Study("s", (experiment("a", task=mortal, checkpoint_every_s=1e-6), experiment("b", seed=3, task=task)))
    record = run(study, tmp_path / "run", plan)
    run_alone(experiment("a", task=task), tmp_path / "plain")
    assert marker.exists()
    assert [(t.status, t.num_attempts) for t in record.trials] == [("finished", 2), ("finished", 1)]
    assert losses(tmp_path / "run", "a") == pytest.approx(losses(tmp_path / "plain", "a"), abs=1e-5)


def test_a_bad_trial_fails_with_its_reason_and_costs_the_others_nothing(ray_cluster: None, tmp_path: Path) -> None:
    study = Study(
        "s",
        (
            experiment("nan", task={"poison_step_row": 3}),
            experiment("good"),
            experiment("after-nan", starts_from="nan"),
            experiment("after-good", starts_from="good"),
        ),
    )
    record = run(study, tmp_path / "run", "data-parallel")
    trials = {trial.name: trial for trial in record.trials}
    assert record.status == "failed"
    assert "the loss is nan" in str(trials["nan"].failure) and trials["nan"].num_attempts == 1
    assert "it starts from nan, which failed: the loss is nan" in str(trials["after-nan"].failure)
    assert trials["good"].status == "finished" and trials["good"].record is not None
    assert trials["good"].record.timings.startup_s < 5.0, "the workers that all refused the first trial took it"
    done = trials["after-good"].record
    assert done is not None and done.origin == {"file": str(tmp_path / "run" / "trials" / "good")}
    failed = json.loads((tmp_path / "run" / "trials" / "nan" / "failure.json").read_text())
    assert "the loss is nan" in failed["failure"]


def test_started_again_only_what_is_not_finished_runs_even_by_another_plan(ray_cluster: None, tmp_path: Path) -> None:
    study = Study("s", tuple(experiment(name, task={"num_rows": 20}) for name in "ab"))
    first = run(study, tmp_path / "run", "experiment-parallel")
    # As if all had been killed in the middle of b: its checkpoint is there, its record is not.
    (tmp_path / "run" / "trials" / "b" / "record.json").unlink()
    before = losses(tmp_path / "run", "b")
    second = run(study, tmp_path / "run", "data-parallel")
    a, b = second.trials
    assert a == first.trials[0], "not run again"
    assert (b.status, b.workers_per_trial, b.num_attempts) == ("finished", 2, 2)
    assert losses(tmp_path / "run", "b") == before, "nothing is trained or written twice"
    assert len(second.sessions) == 2 and second.makespan_s() > first.makespan_s()
    third = run(study, tmp_path / "run", "data-parallel")
    assert third == second, "what is finished takes no further time"


def test_what_does_not_fit_fails_before_anything_starts(ray_cluster: None, tmp_path: Path) -> None:
    study = Study("s", (experiment("a", batch_size=64),))
    with pytest.raises(ResourceError, match="64 workers asked for"):
        run(study, tmp_path / "run", plan_of_strategy(study, "data-parallel", 64))
    typo = Study("s", (experiment("typo", task={"num_row": 3}),))
    with pytest.raises(UsageError, match=r"typo: unknown key 'num_row': did you mean 'num_rows'\?"):
        run(typo, tmp_path / "typo", "data-parallel")
    with pytest.raises(DataError, match="is not there: make the store first"):
        run_study(study, plan_of_strategy(study, "data-parallel", 1), StudySetting(str(tmp_path / "r"), {"": "/none"}))
    assert not (tmp_path / "run" / "trials").exists()


def test_the_last_trial_under_way_resumes_on_the_workers_of_those_that_have_ended(
    ray_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what it learns is what it learns on one."""
    monkeypatch.setattr(widening, "assumed", lambda k, start_s: lambda width: (0.0, k / width))
    short, long = experiment("short", epochs=1), experiment("long", epochs=40)
    run_alone(long, tmp_path / "alone")
    folder = tmp_path / "run"
    record = run(Study("s", (short, long), scheduler=Scheduler("fifo", widen=True)), folder, "experiment-parallel")
    trial = next(one for one in record.trials if one.name == "long")
    assert (trial.status, trial.num_attempts, trial.workers_per_trial, trial.lane) == ("finished", 1, 2, 0)
    assert [stint.workers_per_trial for stint in trial.stints] == [1, 2]
    assert trial.record is not None
    assert (trial.record.earlier_num_workers, trial.record.num_workers) == ((1,), 2)
    assert "long: no trial is left to begin, so it resumes after epoch" in capsys.readouterr().out
    assert losses(folder, "long") == pytest.approx(losses(tmp_path / "alone", "long"), rel=1e-4, abs=1e-5)
    files = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*.json*")}
    report = build_study_report({"run": {name: files[name] for name in files if is_wanted(name)}})
    assert record.status == "finished" and not report.data["runs"][0]["problems"]


def test_a_study_is_measured_planned_run_and_comes_out_as_foreseen(ray_cluster: None, tmp_path: Path) -> None:
    """All in the same processes; what was measured has every way to start, and all that was predicted was measured."""
    study = Study("s", tuple(experiment(f"seed{seed}", seed=seed) for seed in range(3)))
    folder, stores = tmp_path / "run", {"": str(tmp_path)}
    plan, left_out, _ = automatic_plan(study, stores, 2, str(folder))
    profile = Profile.parse((folder / "profile.json").read_bytes(), "profile.json")
    assert {(s.workers, s.start) for s in profile.samples} >= {(1, "command"), (1, "kept"), (2, "lane"), (2, "kept")}
    assert {(s.side_by_side, s.places) for s in profile.samples if s.workers == 1} >= {(2, 2), (1, 1)}
    assert all(s.memory_limit_bytes > s.memory_bytes > 10**8 for s in profile.samples)
    assert len(profile.readies_s) == 1 and left_out is None
    assert not (folder / "measuring").exists()
    record = run_study(study, plan, StudySetting(str(folder), stores))
    assert [trial.status for trial in record.trials] == ["finished"] * 3
    found = prediction_of(record)
    assert found is not None and found.low_s < found.makespan_s < found.high_s
    assert all(found.predicted[term] > 0 and found.measured[term] > 0 for term in ("startup", "steps", "evaluation"))
    assert automatic_plan(study, stores, 2, str(folder))[:2] == (plan, None), "nothing is measured again"
