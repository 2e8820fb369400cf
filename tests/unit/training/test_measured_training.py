"""A training that is to say what it takes, and what one says of its start."""

import time
from pathlib import Path

import pytest
import torch
from toy import ToyWorkload, toy_experiment

from app.data.samples.feeding import Prefetcher, StepReader
from app.training.context import LocalContext
from app.training.evaluation import share_seen
from app.training.loop import Training
from app.training.numerics import Numerics
from app.training.order import Measure, Order

CPU = torch.device("cpu")


def test_a_training_that_measures_evaluates_as_much_as_there_is_time_for(tmp_path: Path) -> None:
    """Two cases at a time, of which the first two are always seen."""
    shares = {}
    for name, limit_s in (("capped", 0.0), ("whole", 60.0)):
        measure = Measure(8, 60.0, max_evaluation_s=limit_s)
        order = Order(toy_experiment(), "", str(tmp_path / name), time.time(), measure=measure)
        training = Training(order, ToyWorkload(), LocalContext(CPU))
        training.advance()
        shares[name] = training.finish().timings.evaluated_share, len(training.val_ids)
        training.close()
    assert shares["capped"] == (2 / shares["capped"][1], shares["capped"][1])
    assert shares["whole"][0] == 1.0


def test_nothing_is_read_for_steps_that_are_not_measured(tmp_path: Path) -> None:
    """Of nine steps it makes six."""
    read: list[tuple[int, int]] = []

    class Reading(LocalContext):
        def batches(self, reader: StepReader, start: int, end: int) -> Prefetcher:
            read.append((start, end))
            return super().batches(reader, start, end)

    for name, measure in (("measured", Measure(6, 60.0)), ("whole", None)):
        order = Order(toy_experiment(), "", str(tmp_path / name), time.time(), measure=measure)
        training = Training(order, ToyWorkload(), Reading(CPU))
        while not training.is_done:
            training.advance()
        training.finish()
        training.close()
    assert read == [(0, 6), (0, 9)]


def test_choosing_numerics_is_told_as_a_share_of_the_start_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second of it, with at least as much before."""

    def slow(*_: object) -> object:
        time.sleep(0.5)
        return Numerics("fp32", False), {}

    monkeypatch.setattr("app.training.loop.numerics.settle", slow)
    order = Order(toy_experiment(), "", str(tmp_path), time.time() - 0.5)
    training = Training(order, ToyWorkload(), LocalContext(CPU))
    timings = training.timer.timings()
    training.close()
    assert 0.5 <= timings.startup_s * timings.choosing_share < 0.6 + timings.startup_s - 1.0
    assert timings.choosing_share < 0.55


def test_the_share_of_an_evaluation_is_that_of_a_worker_s_own_cases() -> None:
    """Of five cases worker 0 of 2 has three, a, c and e."""
    two = LocalContext(CPU)
    two.world_size = 2
    assert share_seen({"a": {}, "b": {}}, [*"abcde"], two) == pytest.approx(1 / 3)
    assert share_seen({}, [], two) == 1.0
