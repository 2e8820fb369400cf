"""Populations on Ray: the same lineage and results under every plan, through kills between and within rounds."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest

TOY = Path(__file__).parents[1] / "unit" / "training"
sys.path.insert(0, str(TOY))  # Ray's workers get the driver's path

from toy import toy_experiment  # noqa: E402

from app.execution.studies.study import StudySetting, run_study  # noqa: E402
from app.execution.studies.takeovers import Takeovers  # noqa: E402
from app.experiment import OptimizerConfig, Study  # noqa: E402
from app.planning.plan import Plan, Stage, plan_of_strategy  # noqa: E402
from app.records import StudyRecord, Takeover  # noqa: E402
from app.reporting.study.report import build_study_report  # noqa: E402
from app.reporting.study.study_files import is_wanted  # noqa: E402
from app.run_folder.study import RECORD as STUDY_RECORD  # noqa: E402
from app.scheduling import Scheduler  # noqa: E402

pytestmark = pytest.mark.ray

RATE = "optimizer.learning_rate"
RATES = {"a": 0.05, "b": 1e-4, "c": 0.02, "d": 2e-4}
STUDY = Study(
    "s",
    tuple(
        dataclasses.replace(
            toy_experiment(epochs=6, seed=number, optimizer=OptimizerConfig(learning_rate=rate)),
            name=name,
            workload="toy:ToyWorkload",
        )
        for number, (name, rate) in enumerate(RATES.items())
    ),
    scheduler=Scheduler(
        "pbt",
        {
            "perturbation_interval": 2,
            "quantile_fraction": 0.5,
            "hyperparam_mutations": {
                RATE: {"low": 1e-5, "high": 1.0, "log": True},
                "optimizer.weight_decay": [0.0, 0.01],
            },
        },
    ),
)
MIXED = Plan("s", 2, "mixed", (Stage(2, 1, ("a", "d")), Stage(1, 2, ("b", "c"))))


def run(folder: Path, plan: str | Plan) -> StudyRecord:
    chosen = plan if isinstance(plan, Plan) else plan_of_strategy(STUDY, plan, 2)
    return run_study(STUDY, chosen, StudySetting(str(folder), {"": str(folder.parent)}, feeding="worker"))


def lines(folder: Path, trial: str, file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials" / trial / file).read_text().splitlines()]


def check_same(record: StudyRecord, folder: Path, other: Path) -> None:
    """That a run of the study, whatever befell it, came to what the run in `other` did, with every line once."""
    expected = STUDY_RECORD.parse((other / "record.json").read_bytes())
    assert (
        record.status == "finished" and record.lineage == expected.lineage and record.best_trial == expected.best_trial
    )
    for name in RATES:
        steps, theirs = (lines(where, name, "steps.jsonl") for where in (folder, other))
        assert [line["step"] for line in steps] == list(range(1, 19))
        assert [line["loss"] for line in steps] == pytest.approx([line["loss"] for line in theirs], abs=1e-5)
        assert [line["epoch"] for line in lines(folder, name, "metrics.jsonl")] == list(range(1, 7))
    assert [t.record.metrics for t in record.trials if t.record] == [
        t.record.metrics for t in expected.trials if t.record
    ]


def check_members(record: StudyRecord, folder: Path) -> None:
    """That members are what the lineage says: their options, and a best network that is what it is said to be."""
    from app.training import checkpoint

    last: dict[str, Takeover] = {takeover.member: takeover for takeover in record.lineage}
    assert last, "nobody took over"
    for trial in record.trials:
        assert trial.record is not None and (trial.num_attempts, trial.record.num_restarts) == (1, 0)
        options: Any = trial.record.experiment["optimizer"]
        rate = last[trial.name].values[RATE] if trial.name in last else RATES[trial.name]
        assert options["learning_rate"] == rate
        saved = checkpoint.load(str(folder / "trials" / trial.name / "checkpoint" / "last.pt"))
        matrices = saved["optimizer"]["param_groups"][0]
        assert matrices["weight_decay"] == options["weight_decay"] and saved["progress"]["best"] == trial.record.metrics
        kept = checkpoint.load(str(folder / "trials" / trial.name / "checkpoint" / "best.pt"))
        assert kept["metrics"] == trial.record.metrics
        assert len(trial.stints) == 3


@pytest.fixture(scope="module")
def undisturbed(ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the study, one worker a member."""
    folder = tmp_path_factory.mktemp("population") / "run"
    run(folder, "experiment-parallel")
    return folder


def test_every_plan_gives_the_same_population(undisturbed: Path, tmp_path: Path) -> None:
    """One worker a member, and both numbers of workers in one plan; data-parallel is what the next goes on by."""
    check_members(STUDY_RECORD.parse((undisturbed / "record.json").read_bytes()), undisturbed)
    folder = tmp_path / "run"
    record = run(folder, MIXED)
    check_same(record, folder, undisturbed)
    check_members(record, folder)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    report = build_study_report({"run": {name: files[name] for name in files if is_wanted(name)}})
    assert len(report.data["runs"][0]["lineage"]) == len(record.lineage) and "Networks taken over" in report.html


def test_killed_between_rounds_and_within_one_it_goes_on_under_another_plan(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    apply, applied = Takeovers._apply, []

    def dying(takeovers: Takeovers, takeover: Takeover) -> None:
        if applied:
            raise KeyboardInterrupt
        apply(takeovers, takeover)
        applied.append(takeover)

    with monkeypatch.context() as patch:
        patch.setattr(Takeovers, "_apply", dying)
        with pytest.raises(KeyboardInterrupt):
            run(folder, "experiment-parallel")
    (decision,) = json.loads((folder / "population.json").read_text())["decisions"]
    assert len(decision["takeovers"]) == 2 and not decision["applied"], "the second was not carried out"
    record = run(folder, "data-parallel")
    check_same(record, folder, undisturbed)
    # As if it had been killed in the last round, when one member had not yet written its record.
    (folder / "trials" / "b" / "record.json").unlink()
    check_same(run(folder, "experiment-parallel"), folder, undisturbed)
