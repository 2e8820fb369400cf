"""What a training judges, keeps as its best and says of its progress."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import ToyWorkload, toy_experiment

from app.experiment import Experiment
from app.records import Timings
from app.training import checkpoint
from app.training.context import LocalContext
from app.training.evaluation import evaluate
from app.training.loop import Training
from app.training.order import Measure, Order
from app.training.timing import PhaseTimer

CPU = torch.device("cpu")


class Scripted(ToyWorkload):
    """Its scores are given; notes how each network that it judges computes."""

    def __init__(self, *scores: float) -> None:
        self._scores = list(scores)
        self.judged: list[tuple[bool, torch.dtype]] = []

    def evaluate_cases(self, task: Any, model: Any, *rest: Any, **named: Any) -> list[dict[str, float | None]]:
        self.judged.append((model.training, model(torch.zeros(1, 3)).dtype))
        return super().evaluate_cases(task, model, *rest, **named)

    def summarize(self, task: Any, cases: Any) -> dict[str, float]:
        return {"accuracy": self._scores.pop(0)} if self._scores else super().summarize(task, cases)


class Telling(LocalContext):
    """Keeps what a launcher would be told."""

    def __init__(self) -> None:
        super().__init__(CPU)
        self.told: list[dict[str, float]] = []

    def report(self, metrics: dict[str, float], evaluated: bool) -> None:
        self.told.append(metrics)


def trained(
    experiment: Experiment, folder: Path, workload: ToyWorkload, context: LocalContext, measure: Measure | None = None
) -> Training:
    training = Training(Order(experiment, "", str(folder), time.time(), measure=measure), workload, context)
    while not training.is_done:
        training.advance()
        assert training.model.training, "and not as it was judged"
    training.close()
    return training


@pytest.mark.parametrize(
    ("scores", "best"),
    [((0.25, 0.75, 0.75, 0.5), 2), ((float("nan"), 0.25, float("nan"), 0.125), 2), ((0.75, float("nan"), 0.5, 0.0), 1)],
)
def test_the_best_is_the_first_of_the_highest_score_and_any_number_is_better_than_none(
    tmp_path: Path, scores: tuple[float, ...], best: int
) -> None:
    training = trained(toy_experiment(epochs=4), tmp_path, Scripted(*scores), LocalContext(CPU))
    assert (training.progress.best["epoch"], training.progress.best_score) == (best, scores[best - 1])
    assert checkpoint.load(str(tmp_path / "checkpoint/best.pt"))["metrics"]["epoch"] == best


@pytest.mark.parametrize(("precision", "kind"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_it_is_judged_without_dropout_in_the_precision_that_it_trains_in(
    tmp_path: Path, precision: Any, kind: torch.dtype
) -> None:
    workload = Scripted()
    trained(toy_experiment(epochs=1, precision=precision, channels_last="no"), tmp_path, workload, LocalContext(CPU))
    assert set(workload.judged) == {(False, kind)}


def test_the_average_has_every_step_in_it(tmp_path: Path) -> None:
    """Three epochs of three steps."""
    trained(toy_experiment(ema_decay=0.5), tmp_path, ToyWorkload(), LocalContext(CPU))
    assert int(checkpoint.load(str(tmp_path / "checkpoint/last.pt"))["average"]["n_averaged"]) == 9


def test_the_rate_is_in_samples_and_the_time_left_is_that_of_the_steps_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine steps of four samples; by a clock that always says 7 s, one of them start-up, and 4 s for eight steps."""
    clock = Timings(startup_s=1.0, step_s=3.0, data_wait_s=1.0, num_timed_steps=8, total_s=7.0)
    monkeypatch.setattr(PhaseTimer, "timings", lambda _: clock)
    context = Telling()
    trained(toy_experiment(), tmp_path, ToyWorkload(), context)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    told = {(line["samples_per_s"], line["waiting_share"], line["elapsed_s"]) for line in [*lines, *context.told]}
    assert told == {(8.0, 0.25, 7.0)}
    assert [told["eta_s"] for told in context.told] == [12.0, 3.0, 0.0], "6 s for three of nine steps, then for six"
    measured = Telling()
    trained(toy_experiment(), tmp_path / "measured", ToyWorkload(), measured, Measure(6, 60.0))
    assert [told["eta_s"] for told in measured.told] == [6.0, 0.0], "it ends after six"


def test_cases_are_in_the_order_asked_for_whoever_scored_them() -> None:
    """The other of two workers has the second and fourth; what it says comes first."""

    class First(LocalContext):
        rank, world_size = 0, 2

        def __init__(self) -> None:
            self.device = CPU

        def gather(self, value: Any) -> list[Any]:
            assert list(value) == ["3", "4", "2"]
            return [{"1": {"accuracy": 0.5}, "0": {"accuracy": 0.25}}, value]

    workload = ToyWorkload()
    task = workload.parse_task({})
    found = evaluate(workload, task, workload.build_model(task), "", ["3", "1", "4", "0", "2"], First())
    assert list(found) == ["3", "1", "4", "0", "2"]
    assert (found["1"], found["0"]) == ({"accuracy": 0.5}, {"accuracy": 0.25})
