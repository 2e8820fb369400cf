"""The training loop: plain torch, top to bottom, the same on one worker or many, with Ray or without."""

import math
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from app.data.samples.feeding import SEEDS, Prefetcher, StepReader, rows_of_epoch
from app.data.samples.order import end_step_of_epoch, num_steps
from app.data.samples.splits import VALIDATION
from app.errors import TrainingError, UsageError
from app.records import Timings
from app.run_folder.run import CHECKPOINTS
from app.training import checkpoint, numerics, optimizers
from app.training.context import WorkerContext, device_name, to_device
from app.training.ema import start_average
from app.training.evaluation import evaluate, share_seen
from app.training.log import TrainingLog
from app.training.order import Order
from app.training.schedules import learning_rate_factor
from app.training.step import StepFunction
from app.training.timing import PhaseTimer
from app.workloads.base import Workload


@dataclass(frozen=True)
class TrainingResult:
    timings: Timings
    best: dict[str, Any]
    num_steps: int
    num_parameters: int
    numerics: dict[str, Any]
    device: str
    origin: dict[str, Any]
    """Where the network's initial weights came from; empty: drawn at random."""


def train(order: Order, workload: Workload, context: WorkerContext) -> TrainingResult:
    """Train the experiment to its end, from its last checkpoint where there is one.

    Raises:
        TrainingError: the loss, its gradient or a weight is not finite.
        UsageError: an epoch would have no step, or the checkpoint's batch was another that cannot be gone on from.
        DataError: the store or a checkpoint cannot be read.
    """
    training = Training(order, workload, context)
    try:
        while not training.is_done:
            training.advance()
        return training.finish()
    finally:
        training.close()


class Training:
    """A training under way on one worker; whoever drives it decides after each evaluation whether it goes on."""

    def __init__(self, order: Order, workload: Workload, context: WorkerContext) -> None:
        experiment = order.experiment
        self.order, self.workload, self.context, self.experiment = order, workload, context, experiment
        self.timer = PhaseTimer(order.start_s)
        self.checkpoints = f"{order.folder}/{CHECKPOINTS}"
        self.task = workload.parse_task(experiment.task)
        self.samples = workload.open_samples(self.task, order.store)
        self.batch_size = experiment.global_batch_size(context.world_size)
        self.epoch_size = rows_of_epoch(self.samples, self.batch_size, experiment.drop_remainder)
        saved = checkpoint.load_last(self.checkpoints, context.device)
        self.progress = checkpoint.progress_of(saved, self.checkpoints, workload.score)
        self.first_step = self.progress.step
        grouped = self.samples.lengths is not None
        self.offset = checkpoint.offset_of(self.progress, experiment, self.batch_size, grouped, self.checkpoints)
        self.num_steps = self._end_step(experiment.epochs - 1)
        ends = {self._end_step(epoch) for epoch in range(self.progress.num_epochs, experiment.epochs)}
        if self.num_steps < 1 or len(ends) < experiment.epochs - self.progress.num_epochs:
            raise UsageError(
                f"got a batch of {self.batch_size} samples on {context.world_size} worker(s), expected at most the "
                f"{len(self.samples)} of the training split: some epoch would have no step. Lower batch_size"
            )
        self.batches = self._open_batches()  # first: reading begins while the network is built
        try:
            self._build(saved)
        except BaseException:
            self.batches.close()
            raise

    def _build(self, saved: dict[str, Any] | None) -> None:
        """Network, optimizer and all else, as the checkpoint has them where there is one."""
        experiment, workload, context = self.experiment, self.workload, self.context
        self.val_ids = workload.validation_ids(self.task, self.order.store, VALIDATION)
        torch.manual_seed(experiment.seed)
        model = workload.build_model(self.task, with_weights=saved is None)
        self.numerics, self.numerics_record = self._choose_numerics(saved, model)
        self.model = self.numerics.place(model.to(context.device))
        if saved:
            checkpoint.fill(self.model, saved["model"], self.checkpoints)
        else:
            self.progress.origin = workload.origin(self.task, self.model)
        self.wrapped = context.wrap(torch.compile(self.model) if experiment.compile else self.model)  # type: ignore[arg-type]
        self.optimizer = optimizers.make_optimizer(experiment, self.model, context.world_size, self._parameter_groups())
        if saved:
            optimizers.load_optimizer(self.optimizer, saved["optimizer"])
        self.average = start_average(self.model, experiment.ema_decay, saved.get("average") if saved else None)
        self.step_function = StepFunction(experiment, workload, self.task, context, self.numerics)
        self.log = self._open_log() if context.rank == 0 else None
        self.saved_at = time.monotonic()
        self.timer.startup_done()

    @property
    def is_done(self) -> bool:
        return self.progress.num_epochs >= self.experiment.epochs

    @property
    def judged(self) -> torch.nn.Module:
        """The network that is evaluated and kept as best."""
        return self.model if self.average is None else self.average.module

    def advance(self) -> dict[str, Any]:
        """Train to the end of the next epoch that is evaluated, from wherever the training stands; its line of
        metrics.jsonl."""
        while True:
            epoch = self.progress.num_epochs
            while self.progress.step < self._end_step(epoch) and not self._is_measured():
                self._run_step(epoch)
                self._checkpoint_if_due()
            epoch = self.experiment.epochs - 1 if self._is_measured() else epoch
            evaluates = epoch == self.experiment.epochs - 1 or (epoch + 1) % self.experiment.evaluate_every_epochs == 0
            line = self._end_epoch(epoch, self._evaluate(epoch) if evaluates else {})
            if evaluates:
                return line

    def _is_measured(self) -> bool:
        """Whether enough steps were timed of a training that goes no further; the workers agree."""
        if (limit := self.order.measure) is None or (done := self.timer.num_steps) < limit.min_steps:
            return False
        taken = self.timer.timings()
        is_late = taken.step_s + taken.data_wait_s + taken.warmup_steps_s > limit.max_s
        return done >= limit.max_steps or any(self.context.gather(is_late))

    def finish(self) -> TrainingResult:
        synchronised_s = self.step_function.synchronised_s(self.wrapped, self.timer.num_steps)
        return TrainingResult(
            timings=self.timer.timings(synchronised_s),
            best=self.progress.best,
            num_steps=self.num_steps,
            num_parameters=sum(p.numel() for p in self.model.parameters()),
            numerics=self.numerics_record,
            device=device_name(self.context.device),
            origin=self.progress.origin,
        )

    def close(self) -> None:
        self.batches.close()
        if self.log is not None:
            self.log.spans(self.timer.stretches.take() + self.timer.stretches.take_open())
            self.log.close()

    def _run_step(self, epoch: int) -> None:
        with self.timer.waiting():
            host_batch = next(self.batches)
        step = self.progress.step
        whole = num_steps(self.experiment.epochs, self.epoch_size, self.batch_size)  # had all been of this batch
        rate = self.experiment.learning_rate(self.context.world_size) * learning_rate_factor(
            self.experiment.schedule, step + self.offset / self.batch_size, whole
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("lr_factor", 1.0)
        with self.timer.step():
            seeds = host_batch.pop(SEEDS)
            batch = to_device(host_batch, self.context.device)
            loss, norm = self.step_function(self.wrapped, self.optimizer, batch, seeds, step)
            for what, value in (("loss", loss), ("gradient's norm", norm)):
                if not math.isfinite(value):
                    raise TrainingError(
                        f"the {what} is {value} at step {step + 1} of {self.num_steps} (epoch {epoch + 1}, "
                        f"learning rate {rate:.3g}, {self.numerics.label}); the last good checkpoint is kept. "
                        "Lower the learning rate, lengthen the warm-up, or lower clip_norm"
                    )
            if self.average is not None:
                self.average.update_parameters(self.model)
        self.progress.step += 1
        self.progress.num_samples += self.batch_size
        self.progress.epoch_loss_sum += loss
        self.progress.epoch_num_steps += 1
        if self.log is not None:
            self.log.step(step + 1, loss, rate)
            self.log.status(self._status(epoch, loss))

    def _evaluate(self, epoch: int) -> dict[str, float]:
        with self.timer.phase("evaluation"):
            self.context.broadcast(self.judged.buffers())  # batch normalisation's: what is judged is what is kept
            what, within_s = (self.workload, self.task, self.judged, self.order.store), self.order.evaluation_s
            with self.numerics.autocast(self.context.device):
                cases = evaluate(*what, self.val_ids, self.context, within_s=within_s)
            self.timer.evaluated_share = share_seen(cases, self.val_ids, self.context)
            scores = self.workload.summarize(self.task, list(cases.values()))
        score, best = scores[self.workload.score], self.progress.best_score
        if best is None or best != best or score > best:  # not a number is worse than any
            self.progress.best_score = score
            self.progress.best = {"epoch": epoch + 1, "step": self.progress.step, **scores}
            if self.context.rank == 0:
                with self.timer.phase("checkpoint"):
                    checkpoint.save_best(self.checkpoints, self.judged, self.experiment.to_dict(), self.progress.best)
        return scores

    def _end_epoch(self, epoch: int, scores: dict[str, float]) -> dict[str, Any]:
        loss = self.progress.epoch_loss_sum / max(1, self.progress.epoch_num_steps)
        timings = self.timer.timings()
        line = {
            "epoch": epoch + 1,
            "step": self.progress.step,
            "loss": loss,
            **scores,
            **({"score": scores[self.workload.score]} if scores else {}),
            "samples_per_s": timings.samples_per_s(self.batch_size),
            "waiting_share": timings.waiting_share(),
            "elapsed_s": self.progress.trained_s + timings.total_s,
        }
        self.progress.epoch_loss_sum, self.progress.epoch_num_steps = 0.0, 0
        self.progress.num_epochs = epoch + 1
        status = self._status(epoch, loss, scores)
        if self.log is not None:
            self.log.epoch(line)
            self.log.status(status, now=True)
            self._checkpoint()
        told = {**line, "eta_s": status["eta_s"]}
        self.context.report({key: value for key, value in told.items() if value is not None}, bool(scores))
        return line

    def _checkpoint_if_due(self) -> None:
        due = time.monotonic() - self.saved_at >= self.experiment.checkpoint_every_s
        if due and self.context.rank == 0:
            self._checkpoint()

    def _checkpoint(self) -> None:
        with self.timer.phase("checkpoint"):
            if self.log is not None:
                self.log.spans(self.timer.stretches.take())
                self.log.flush()
            progress = checkpoint.Progress(**vars(self.progress))
            progress.trained_s += self.timer.timings().total_s
            checkpoint.save_last(
                self.checkpoints,
                self.model,
                self.optimizer,
                progress,
                self.experiment.to_dict(),
                self.numerics_record,
                self.average,
            )
        self.saved_at = time.monotonic()

    def _open_batches(self) -> Prefetcher:
        who = self.context.rank, self.context.world_size
        reader = StepReader(self.samples, self.experiment.seed, self.batch_size, *who, self.offset, self.epoch_size)
        return self.context.batches(reader, self.first_step, self.order.end_step(self.first_step, self.num_steps))

    def _open_log(self) -> TrainingLog:
        return TrainingLog(self.order.folder, self.first_step, self.progress.num_epochs)

    def _choose_numerics(
        self, saved: dict[str, Any] | None, model: torch.nn.Module
    ) -> tuple[numerics.Numerics, dict[str, Any]]:
        """As the checkpoint has it; else as the study has chosen for this network; else the fastest here."""
        context, workload, task, folder = self.context, self.workload, self.task, self.order.numerics_folder
        options = numerics.candidates(self.experiment, context.device)
        memory = None
        if folder is not None and len(options) > 1:
            memory = numerics.StudyMemory(folder, options, workload, task, model, device_name(context.device))
        size = min(share := self.batch_size // context.world_size, self.experiment.max_micro_batch_size or share)
        make = partial(numerics.TrialStep, workload, task, size, context.device)
        with self.timer.choosing():
            return numerics.settle(options, memory, saved["numerics"] if saved else None, make, context)

    def _parameter_groups(self) -> list[dict[str, Any]] | None:
        """The workload's own groups, where it has any."""
        options = self.experiment.optimizer
        return self.workload.parameter_groups(self.task, self.model, options.weight_decay, options.learning_rate)

    def _end_step(self, epoch: int) -> int:
        return end_step_of_epoch(epoch, self.epoch_size, self.batch_size, self.offset)

    def _status(self, epoch: int, loss: float, scores: dict[str, float] | None = None) -> dict[str, Any]:
        timings = self.timer.timings()
        done, end_step = self.progress.step - self.first_step, self.order.end_step(self.first_step, self.num_steps)
        busy_s = timings.total_s - timings.startup_s
        return {
            "epoch": epoch + 1,
            "epochs": self.experiment.epochs,
            "step": self.progress.step,
            "num_steps": self.num_steps,
            "loss": loss,
            "scores": scores or {},
            "best_score": self.progress.best_score,
            "samples_per_s": timings.samples_per_s(self.batch_size),
            "waiting_share": timings.waiting_share(),
            "eta_s": busy_s / done * (end_step - self.progress.step) if done else None,
        }
