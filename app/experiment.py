"""What is trained: an Experiment is one training, a Study is many. Plain data; nothing here runs anything."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from app.configuration import from_dict, require_folder_name, to_dict
from app.errors import UsageError, require
from app.scheduling import Scheduler
from app.search_space import Parameters, Search, extremes, with_value
from app.strict_json import MAX_WHOLE_NUMBER, fault

BatchRule = Literal["fixed-global", "fixed-per-worker"]

MOST = 1_000_000
"""Most epochs, and most samples a step (assumed)."""
MOVED = {
    "early_stopping": '"scheduler": {"name": "asha", "grace_period": 1, "reduction_factor": 3}',
    "population": '"scheduler": {"name": "pbt", "perturbation_interval": 1, "hyperparam_mutations": {...}}',
    "tuning": '"search": {"algorithm": "optuna", "num_trials": 20, "base": {...}, "parameters": {...}}',
}
"""Keys that a study no longer has, and what says the same."""


@dataclass(frozen=True)
class OptimizerConfig:
    """Which optimizer; fields that an optimizer does not have are left alone by it."""

    name: Literal["adam", "adamw", "sgd", "lars", "lamb"] = "adamw"
    """`lars` (You et al. 2017) and `lamb` (You et al. 2020), for large batches, are timm's."""
    learning_rate: float = 1e-3
    reference_batch_size: int | None = None
    """Where given, the rate above is for a global batch of so many samples and grows with it (Goyal et al. 2017)."""
    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    amsgrad: bool = False
    momentum: float = 0.9
    """SGD and LARS."""
    nesterov: bool = True
    """SGD and LARS: steps look ahead along the momentum."""
    decay_vectors: bool = False
    """Biases and norms decay too, not only matrices and kernels."""
    clip_norm: float | None = 12.0
    """Gradients are scaled down to this L2 norm over all parameters; None leaves them alone."""

    def __post_init__(self) -> None:
        require(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "more than 0")
        reference = self.reference_batch_size
        require(reference is None or reference >= 1, "reference_batch_size", reference, "1 or more, or null")
        require(0 <= self.weight_decay < math.inf, "weight_decay", self.weight_decay, "0 or more")
        for name in ("beta1", "beta2", "momentum"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "at least 0 and less than 1")
        require(self.clip_norm is None or self.clip_norm > 0, "clip_norm", self.clip_norm, "more than 0, or null")


@dataclass(frozen=True)
class ScheduleConfig:
    """The learning rate over the training, as a factor of the optimizer's rate."""

    name: Literal["constant", "cosine", "poly", "slanted-triangular"] = "poly"
    warmup_share: float = 0.02
    """Share of all steps in which the rate rises linearly from zero."""
    power: float = 0.9
    """`poly` only: (1 - progress) ** power."""
    ratio: float = 32.0
    """`slanted-triangular` only: how much smaller the rates at both ends are than the peak."""

    def __post_init__(self) -> None:
        require(0 <= self.warmup_share <= 1, "warmup_share", self.warmup_share, "between 0 and 1")
        require(1 <= self.ratio < math.inf, "ratio", self.ratio, "1 or more")
        require(0 < self.power < math.inf, "power", self.power, "more than 0")


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a network is trained, whatever it learns; the defaults of every job and recipe."""

    seed: int = 0
    epochs: int = 10
    """One epoch shows every sample of the training split once, but with `drop_remainder`."""
    batch_size: int = 2
    """Samples a step: over all workers (`fixed-global`) or on each worker (`fixed-per-worker`)."""
    batch_rule: BatchRule = "fixed-global"
    """`fixed-per-worker` also scales the learning rate by the number of workers."""
    drop_remainder: bool = False
    """An epoch shows its whole batches alone; else one batch takes its last rows and the first of the next epoch."""
    max_micro_batch_size: int | None = None
    """Samples a worker runs at a time; more are accumulated. None: the worker's whole share."""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    ema_decay: float | None = None
    """Decay of the weights' average over steps that is, where given, evaluated and kept as best (app.training.ema)."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` measures the candidates on this device before the first step and keeps the fastest."""
    channels_last: Literal["auto", "yes", "no"] = "auto"
    """Memory layout of activations and weights; `auto` as for precision."""
    compile: bool = False
    """torch.compile the network; pays off on GPU for long trainings."""
    evaluate_every_epochs: int = 1
    checkpoint_every_s: float = 300.0
    """A checkpoint is written at least this often, besides the one after each epoch."""
    max_retries: int = 3
    """How often a training that lost a worker resumes from its last checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Experiment(TrainingOptions):
    """One training. The same experiment gives the same loss curve on any number of workers."""

    name: str
    workload: str
    """A key of app.workloads.registry."""
    task: Mapping[str, Any] = field(default_factory=dict)
    """The workload's own options, strictly checked by the workload."""
    store: str | None = None
    """In a study of several stores: the name of the one that this training reads."""
    starts_from: str | None = None
    """In a study: the experiment whose best network this one begins with, as its task's `weights`; it runs after it."""

    def __post_init__(self) -> None:
        require_folder_name(self.name)
        for name in ("epochs", "batch_size", "evaluate_every_epochs"):
            require(1 <= getattr(self, name) <= MOST, name, getattr(self, name), f"1 to {MOST:,}")
        micro = self.max_micro_batch_size
        require(micro is None or micro >= 1, "max_micro_batch_size", micro, "1 or more, or null")
        decay = self.ema_decay
        require(decay is None or 0 < decay < 1, "ema_decay", decay, "more than 0 and less than 1, or null")
        require(self.checkpoint_every_s > 0, "checkpoint_every_s", self.checkpoint_every_s, "more than 0")
        require(self.max_retries >= 0, "max_retries", self.max_retries, "0 or more")
        require(0 <= self.seed <= MAX_WHOLE_NUMBER, "seed", self.seed, f"0 to {MAX_WHOLE_NUMBER}")
        if (found := fault(self.task)) is not None:  # what is written could not be read
            raise UsageError(f"task: {found}")

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Experiment":
        return from_dict(Experiment, values)

    def to_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = to_dict(self)
        return plain

    def with_values(self, values: Mapping[str, Any]) -> "Experiment":
        """This experiment with options set by their paths (`optimizer.learning_rate`).

        Raises:
            UsageError: there is no such option, or the value is none of it.
        """
        return searched(self.to_dict(), values)

    def extremes(self, parameters: Parameters) -> "list[Experiment]":
        """This experiment with each value that has to be valid for all of a search's to be.

        Raises:
            UsageError: one is not.
        """
        return [searched(self.to_dict(), values) for values in extremes(parameters)]

    @property
    def validated_on(self) -> tuple[str, str | None, Any]:
        """Scores of two experiments compare where this is equal: workload, store, and which of its partitions."""
        return self.workload, self.store, self.task.get("partition")

    def global_batch_size(self, num_workers: int) -> int:
        """Samples a step over `num_workers` workers.

        Raises:
            UsageError: no worker, or the batch does not divide by them; names the numbers of workers that do.
        """
        require(num_workers >= 1, "num_workers", num_workers, "1 or more")
        if self.batch_rule == "fixed-per-worker":
            return self.batch_size * num_workers
        if self.batch_size % num_workers:
            fitting = [k for k in range(1, self.batch_size + 1) if self.batch_size % k == 0]
            raise UsageError(
                f"batch size {self.batch_size} is not divisible by {num_workers} workers: "
                f"take one of {fitting} workers, another batch_size, or batch_rule fixed-per-worker"
            )
        return self.batch_size

    def learning_rate(self, num_workers: int) -> float:
        """Peak learning rate: scaled linearly with the global batch where the optimizer names a reference, else with
        the workers when the global batch grows with them."""
        if self.optimizer.reference_batch_size is not None:
            factor = self.global_batch_size(num_workers) / self.optimizer.reference_batch_size
        else:
            factor = num_workers if self.batch_rule == "fixed-per-worker" else 1
        return self.optimizer.learning_rate * factor


def searched(plain: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment of plain values, with what a search chose for it by path."""
    for path, value in (values or {}).items():
        plain = with_value(plain, path, value)
    try:
        return Experiment.from_dict(plain)
    except ValueError as error:
        advice = '; a range of whole numbers says "integer": true' if str(error).endswith("expected int") else ""
        raise UsageError(f"{error}{advice}") from error


@dataclass(frozen=True)
class Study:
    """Many experiments under one name; most often on one prepared store."""

    name: str
    experiments: tuple[Experiment, ...]
    seed: int = 0
    search: Search | None = None
    """Some of the experiments get their values when they begin."""
    scheduler: Scheduler | None = None
    """Trials are compared with those that are validated on the same, by their score; of `pbt` all are members."""

    def __post_init__(self) -> None:
        require_folder_name(self.name)
        require(0 <= self.seed <= MAX_WHOLE_NUMBER, "seed", self.seed, f"0 to {MAX_WHOLE_NUMBER}")
        require(len(self.experiments) > 0, "experiments", [], "at least one")
        names = [e.name for e in self.experiments]
        repeated = sorted(name for name, count in Counter(names).items() if count > 1)
        if repeated:
            raise UsageError(f"experiments of a study need names of their own; repeated: {', '.join(repeated)}")
        alike = Counter(map(str.lower, names))
        if alike and max(alike.values()) > 1:
            folded = sorted(name for name in names if alike[name.lower()] > 1)
            raise UsageError(f"experiments: {', '.join(folded)} differ in case alone: on some disks in no way; rename")
        self.generations()
        trials = self.search.trials if self.search is not None else ()
        if not set(trials) <= set(names) or len(set(trials)) < len(trials):
            raise UsageError(f"search.trials: got {[*trials]}, expected experiments of the study, each once: {names}")
        self.variants()
        if self.scheduler is not None:
            self._check_scheduler(self.scheduler)

    def _check_scheduler(self, scheduler: Scheduler) -> None:
        scheduler.check_batches({e.name: e.batch_rule for e in self.experiments})
        if (population := scheduler.population()) is None:
            return
        if self.search is not None:
            raise UsageError(f"search: got {self.search.algorithm}, expected none with pbt, or grid or random")
        self.experiments[0].extremes(population.hyperparam_mutations)
        population.check([experiment.to_dict() for experiment in self.experiments])

    def variants(self) -> dict[str, list[Experiment]]:
        """Each experiment by name as it may come to be: as listed, or, where its values are chosen when it begins,
        with each of their extremes.

        Raises:
            UsageError: one of these is no experiment.
        """
        found = {experiment.name: [experiment] for experiment in self.experiments}
        if self.search is None:
            return found
        made: list[Experiment] = []
        base: Experiment | None = None
        for name in self.search.trials:
            (listed,) = found[name]
            if base is None or base != replace(listed, name=base.name):  # most often all are alike but for their names
                base = listed
                made = base.extremes(self.search.parameters)
            found[name] = [replace(variant, name=name) for variant in made]
        return found

    def generations(self) -> list[list[str]]:
        """Names of the experiments: those that start from none, then those that start from one of these, and so on.

        Raises:
            UsageError: an experiment starts from one that the study lacks, or from itself in the end.
        """
        before = {e.name: e.starts_from for e in self.experiments}
        for name, origin in before.items():
            if origin is not None and origin not in before:
                raise UsageError(f"{name}: starts_from: got {origin!r}, expected one of the study: {[*before]}")
        found: list[list[str]] = []
        known: set[str | None] = {None}
        while len(known) <= len(before):
            ready = [name for name, origin in before.items() if name not in known and origin in known]
            if not ready:
                raise UsageError(f"starts_from goes in a circle: {sorted(set(before) - {n for n in known if n})}")
            found.append(ready)
            known.update(ready)
        return found

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Study":
        for key, now in MOVED.items():
            if values.get(key) is not None:
                raise UsageError(f"{key}: studies no longer have it; write {now}")
        return from_dict(Study, {key: value for key, value in values.items() if key not in MOVED})

    def to_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = to_dict(self)
        return plain
