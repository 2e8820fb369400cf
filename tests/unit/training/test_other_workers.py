"""A training whose batch grows with its workers goes on with others: every sample is seen once an epoch all the same.

One process stands for all workers: it takes the whole batch.
"""

import dataclasses
import json
import math
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import ToySamples, ToyTask, ToyWorkload, toy_experiment

from app.data.samples.feeding import HostBatch, Prefetcher, StepReader
from app.errors import UsageError
from app.experiment import Experiment, OptimizerConfig, ScheduleConfig
from app.training.context import LocalContext
from app.training.loop import train
from app.training.order import Order

CPU = torch.device("cpu")


class AsWorkers(LocalContext):
    def __init__(self, num_workers: int) -> None:
        super().__init__(CPU)
        self.world_size = num_workers

    def batches(self, reader: StepReader, start: int, end: int) -> Prefetcher:
        return super().batches(dataclasses.replace(reader, rank=0, world_size=1), start, end)

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        return model

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return values.detach().clone()

    def gather(self, value: Any) -> list[Any]:
        return [value]

    def broadcast(self, tensors: Any) -> None:
        """To itself."""


@dataclasses.dataclass(frozen=True)
class Rows(ToySamples):
    def load(self, rows: npt.NDArray[np.int64], seeds: npt.NDArray[np.uint64]) -> HostBatch:
        return {**super().load(rows, seeds), "row": rows}


@dataclasses.dataclass(frozen=True)
class RowsOfLengths(Rows):
    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        return np.arange(self.num_rows, dtype=np.int32)


class Noting(ToyWorkload):
    """Notes the rows of each step, and is killed after so many steps."""

    samples: type[Rows] = Rows

    def __init__(self, dies_after: int = 10**6) -> None:
        self.steps: list[list[int]] = []
        self._dies_after = dies_after

    def open_samples(self, task: ToyTask, store: str) -> ToySamples:
        return self.samples(task.num_rows)

    def to_inputs(self, task: ToyTask, batch: Any, seeds: Any) -> Any:
        if len(self.steps) == self._dies_after:
            raise KeyboardInterrupt
        self.steps.append(batch.pop("row").tolist())
        return batch

    def validation_ids(self, task: ToyTask, store: str, split: str) -> list[str]:
        return ["0"]


class NotingLengths(Noting):
    samples = RowsOfLengths


def run(experiment: Experiment, folder: Path, num_workers: int, workload: Noting) -> list[list[int]]:
    """The rows of each step that was done."""
    with suppress(KeyboardInterrupt):
        train(Order(experiment, "", str(folder), time.time()), workload, AsWorkers(num_workers))
    return workload.steps


def growing(num_rows: int = 12, batch_size: int = 2, epochs: int = 2, **changes: Any) -> Experiment:
    return toy_experiment(
        batch_rule="fixed-per-worker",
        batch_size=batch_size,
        epochs=epochs,
        task={"num_rows": num_rows},
        checkpoint_every_s=1e-9,
        **changes,
    )


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


@settings(max_examples=30, deadline=None)
@given(
    before=st.integers(1, 4),
    after=st.integers(1, 4),
    batch_size=st.integers(1, 3),
    surplus=st.integers(0, 9),
    epochs=st.integers(1, 4),
    moment=st.floats(0, 1, exclude_max=True),
)
def test_every_row_is_seen_once_an_epoch_whenever_the_workers_change(
    before: int, after: int, batch_size: int, surplus: int, epochs: int, moment: float
) -> None:
    num_rows = batch_size * max(before, after) + surplus
    died_after = int(moment * math.ceil(epochs * num_rows / (batch_size * before)))
    with tempfile.TemporaryDirectory() as name:
        experiment, folder = growing(num_rows, batch_size, epochs), Path(name)
        steps = run(experiment, folder, before, Noting(died_after)) + run(experiment, folder, after, Noting())
        assert {len(step) for step in steps[:died_after]} <= {batch_size * before}
        assert {len(step) for step in steps[died_after:]} == {batch_size * after}
        rows = [row for step in steps for row in step]
        assert epochs * num_rows <= len(rows) < epochs * num_rows + batch_size * after
        for epoch in range(epochs):
            assert sorted(rows[epoch * num_rows : (epoch + 1) * num_rows]) == list(range(num_rows))
        assert [line["step"] for line in lines(folder, "steps.jsonl")] == list(range(1, len(steps) + 1))
        ends = [line["step"] for line in lines(folder, "metrics.jsonl")]
        seen = np.cumsum([0, *map(len, steps)])
        assert ends == [int(np.argmax(seen >= (epoch + 1) * num_rows)) for epoch in range(epochs)]


def test_steps_and_rates_by_hand(tmp_path: Path) -> None:
    """24 samples: three steps of 2 on one worker, then three of 6 on three. The rate falls with the samples seen."""
    schedule = ScheduleConfig(name="poly", power=1.0, warmup_share=0.0)
    experiment = growing(schedule=schedule, optimizer=OptimizerConfig(learning_rate=0.1))
    assert len(run(experiment, tmp_path, 1, Noting(3))) == 3
    assert len(run(experiment, tmp_path, 3, Noting())) == 3
    assert [(line["epoch"], line["step"]) for line in lines(tmp_path, "metrics.jsonl")] == [(1, 4), (2, 6)]
    rates = [line["learning_rate"] for line in lines(tmp_path, "steps.jsonl")]
    falling = [1, 22 / 24, 20 / 24, 18 / 24, 12 / 24, 6 / 24]
    assert rates == pytest.approx([factor * (0.1 if step < 3 else 0.3) for step, factor in enumerate(falling)])


def test_where_the_order_of_samples_follows_from_the_batch_other_workers_are_refused(tmp_path: Path) -> None:
    experiment = growing()
    first = run(experiment, tmp_path, 1, NotingLengths(3))
    with pytest.raises(
        UsageError, match=r"batch of 6 samples \(fixed-per-worker\), expected 2 as before.*many workers as"
    ):
        run(experiment, tmp_path, 3, NotingLengths())
    rest = run(experiment, tmp_path, 1, NotingLengths())
    assert sorted(row for step in first + rest for row in step) == sorted([*range(12)] * 2)


@pytest.mark.parametrize("rule", ["fixed-global", "fixed-per-worker"])
def test_a_checkpoint_that_did_not_count_samples_goes_on_where_its_batch_is_known(tmp_path: Path, rule: Any) -> None:
    experiment, path = dataclasses.replace(growing(), batch_rule=rule), tmp_path / "checkpoint" / "last.pt"
    first = run(experiment, tmp_path, 1, Noting(3))
    saved = torch.load(path, weights_only=True)
    assert saved["progress"].pop("num_samples") == 6
    torch.save(saved, path)
    if rule == "fixed-per-worker":
        with pytest.raises(UsageError, match="older version did not note how many"):
            run(experiment, tmp_path, 1, Noting())
        return
    rest = run(experiment, tmp_path, 2, Noting())
    assert sorted(row for step in first + rest for row in step) == sorted([*range(12)] * 2)


def test_a_training_that_drops_remainders_has_whole_batches_of_one_epoch(tmp_path: Path) -> None:
    """13 samples, four a step: three steps an epoch and one sample left over; without, 26 samples fill seven steps."""
    experiment = growing(13, 2, drop_remainder=True)
    steps = run(experiment, tmp_path / "first", 2, Noting(4)) + run(experiment, tmp_path / "first", 2, Noting())
    assert [(line["epoch"], line["step"]) for line in lines(tmp_path / "first", "metrics.jsonl")] == [(1, 3), (2, 6)]
    for epoch in (steps[:3], steps[3:]):
        assert len({row for step in epoch for row in step}) == 12, "each sample once, one dropped"
    assert len(run(growing(13, 2), tmp_path / "second", 2, Noting())) == 7


def test_with_dropped_remainders_other_workers_and_batches_without_a_step_are_refused(tmp_path: Path) -> None:
    experiment = growing(13, 2, drop_remainder=True)
    run(experiment, tmp_path / "first", 1, Noting(3))
    with pytest.raises(UsageError, match=r"batch of 6 samples .*expected 2 as before"):
        run(experiment, tmp_path / "first", 3, Noting())
    with pytest.raises(UsageError, match=r"batch of 14 samples on 7 worker.*at most the 13 of the training split"):
        run(dataclasses.replace(experiment, epochs=1), tmp_path / "second", 7, Noting())
