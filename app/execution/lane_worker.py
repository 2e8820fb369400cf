"""A worker of a lane: a Ray actor that stays up and trains one experiment after another, alone or in a group.

torch is imported in the methods: the driver, which makes the actors, does without it.
"""

import gc
import os
from dataclasses import dataclass
from typing import Any

from app.errors import UsageError
from app.execution.attempts import Failure, count_restarts, final_error, note_attempt
from app.execution.cluster import Feeding
from app.execution.early_stopping import Comparison, StoppedEarly
from app.experiment import EarlyStopping, Experiment
from app.records import TrialRecord

GROUP_TIMEOUT_S = 1800
"""Longest wait for the others at an exchange; a validation may take that long on one of them (assumed)."""


@dataclass(frozen=True)
class Order:
    """One experiment to train, as every worker of a lane receives it."""

    experiment: Experiment
    store: str
    folder: str
    """Of the trial."""
    start_s: float
    """time.time() from which its start-up counts."""
    workers_on_node: int
    """That share the cores of a node."""
    feeding: Feeding
    early_stopping: EarlyStopping | None = None
    until_epoch: int | None = None
    """Where the round of a population ends."""
    others: tuple[str, ...] = ()
    """Folders of the trials that this one is compared with, where there is early stopping."""


@dataclass(frozen=True)
class Outcome:
    """What a worker says of an order: a record (the first worker alone), that it was stopped, or a failure."""

    record: TrialRecord | None = None
    failure: Failure | None = None
    stopped: bool = False
    """Ended early by the study's rule."""
    paused: bool = False
    """Came to the end of a round."""


class LaneWorker:
    """Worker `rank` of `world_size`. Its methods run one after the other."""

    def __init__(self, rank: int, world_size: int) -> None:
        self._rank, self._world_size = rank, world_size
        self._rendezvous: Any = None
        self._grouped = world_size == 1
        os.environ.update(RANK=str(rank), WORLD_SIZE=str(world_size))

    def open_group(self) -> tuple[str, int]:
        """On the first worker: the address at which the others find it."""
        import ray
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        address: str = ray.util.get_node_ip_address()
        self._rendezvous = TCPStore(address, 0, self._world_size, is_master=True, wait_for_workers=False)
        return address, self._rendezvous.port

    def join_group(self, address: tuple[str, int]) -> None:
        """Returns once all workers of the lane have joined."""
        from datetime import timedelta

        import torch
        import torch.distributed as dist

        if self._rendezvous is None:
            self._rendezvous = dist.TCPStore(*address, self._world_size, is_master=False)  # type: ignore[attr-defined]
        dist.init_process_group(
            "nccl" if torch.cuda.is_available() else "gloo",
            store=self._rendezvous,
            rank=self._rank,
            world_size=self._world_size,
            timeout=timedelta(seconds=GROUP_TIMEOUT_S),
        )
        self._grouped = True

    def run(self, order: Order) -> Outcome:
        """Train the experiment to its end. Failures come back as values: Ray would wrap and lengthen them."""
        from app.training.loop import TrainingJob

        assert self._grouped, "the workers of this lane have not found each other"
        job = TrainingJob(order.experiment, order.store, order.folder, order.start_s)
        try:
            return self._train(order)
        except StoppedEarly:
            _free_memory()
            return Outcome(stopped=True)
        except Exception as error:  # whatever it is, it is this trial's, and the study goes on
            final = final_error(error, job)
            if final is not None:
                return Outcome(failure=Failure("final", str(final)))
            return Outcome(failure=Failure("error", f"{type(error).__name__}: {_first_line(error)}"))

    def _train(self, order: Order) -> Outcome:
        from app.execution.lane_context import LaneContext
        from app.execution.rounds import note_pause
        from app.execution.trial import TrialSetting, claim_folder, resolve, write_record
        from app.training.loop import TrainingJob, train
        from app.training.process import tune_process
        from app.workloads.registry import find_workload

        tune_process(max(1, len(os.sched_getaffinity(0)) // order.workers_on_node))
        try:
            experiment = resolve(order.experiment, order.store)
        except UsageError:
            raise
        except ValueError as error:
            raise UsageError(f"task: {error}") from error
        setting = TrialSetting(order.store, order.folder, self._world_size)
        job = TrainingJob(experiment, order.store, order.folder, order.start_s, order.until_epoch)
        if self._rank == 0:
            claim_folder(experiment, setting, () if order.until_epoch is None else ("optimizer",))
            note_attempt(job)
        workload = find_workload(experiment.workload)
        rule = order.early_stopping
        comparison = Comparison(rule, workload.score, order.folder, order.others) if rule is not None else None
        result = train(job, workload, LaneContext(experiment.name, order.feeding, comparison))
        _free_memory()
        if self._rank != 0:
            return Outcome()
        if order.until_epoch is not None and order.until_epoch < experiment.epochs:
            note_pause(order.folder, order.until_epoch, workload.score, result.best)
            return Outcome(paused=True)
        return Outcome(record=write_record(experiment, setting, result, count_restarts(order.folder)))


def _free_memory() -> None:
    """Networks refer to themselves in circles; the next trial needs their memory. What outlives the first trial is
    modules and the like, which later collections leave out: looking through them took most of a trivial trial."""
    import torch

    gc.collect()
    if gc.get_freeze_count() == 0:
        gc.freeze()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "without a message")
