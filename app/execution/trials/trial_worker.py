"""One worker's part in training one experiment after another, alone or as one of a group."""

import dataclasses
import gc
from collections.abc import Callable
from typing import Any

import torch

from app.errors import UsageError
from app.execution.cluster.host_watch import check_own_host
from app.execution.trials.attempts import count_restarts, note_attempt, note_progress
from app.execution.trials.record import claim_folder, note_origin, resolve, write_record
from app.training.context import WorkerContext
from app.training.loop import Training
from app.training.memory import check_fits
from app.training.order import Order
from app.training.process import (
    forget_peak,
    give_back_memory,
    peak_and_limit_bytes,
    threads_per_worker,
    tune_process,
)
from app.workloads.registry import find_workload


class TrialWorker:
    """Does what it is told: begin an order, advance to the next evaluation, finish, end. In a group every worker is
    told the same."""

    def __init__(self, make_context: Callable[[Order], WorkerContext]) -> None:
        self._make_context = make_context
        self._training: Training | None = None
        self._order: Order | None = None
        self._has_trained = False

    def begin(self, order: Order) -> int:
        """Open a training, from its checkpoint where there is one; the epochs that it has behind it."""
        self.end()
        check_own_host(order)
        if self._has_trained and gc.get_freeze_count() == 0:
            # What outlives the first trial is modules and the like: to look through them after each took most of a
            # trivial one. Not before there is a second: what is frozen at its process's end is reported as leaked.
            gc.freeze()
        tune_process(threads_per_worker(order.workers_on_node))
        try:
            experiment = resolve(order.experiment, order.store)
        except UsageError:
            raise
        except ValueError as error:
            raise UsageError(f"task: {error}") from error
        order = dataclasses.replace(order, experiment=experiment)
        context = self._make_context(order)
        forget_peak(context.device)
        nodes = list(dict.fromkeys(context.gather(context.node)))
        if context.rank == 0:
            claim_folder(order)
            order = note_attempt(order, nodes)
        self._order = order
        workload = find_workload(experiment.workload)
        check_fits(order, workload, context)
        self._training = Training(order, workload, context)
        if context.rank == 0:
            note_progress(order, self._training.progress.trained_s)
            if self._training.progress.origin:
                note_origin(order.folder, self._training.progress.origin)
        return self._training.progress.num_epochs

    def advance(self) -> dict[str, Any]:
        """Train to the end of the next epoch that is evaluated; its line of metrics.jsonl."""
        assert self._training is not None
        return self._training.advance()

    def finish(self) -> None:
        """End a training: its record is in its folder when this returns."""
        assert self._training is not None and self._order is not None and self._training.is_done
        if self._training.context.rank == 0:
            memory = peak_and_limit_bytes(self._training.context.device)
            write_record(self._order, self._training.finish(), count_restarts(self._order.folder), memory)
        self.end()

    def end(self) -> None:
        """Let go of the training under way, if any. Networks refer to themselves in circles; the next trial needs
        their memory."""
        if self._training is None:
            return
        self._training.close()
        self._training.context.end()
        self._training = self._order = None
        gc.collect()
        give_back_memory()
        self._has_trained = True
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
