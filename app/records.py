"""What a finished training leaves behind: plain data, written as record.json."""

import platform
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Any, Literal

from app.errors import UsageError
from app.machine import memory_bytes, num_cores

PACKAGES = ("ray", "torch", "monai", "timm", "transformers", "numpy", "blosc2")

MAX_WORKERS = 65_536
"""That a record may name; assumed: more than any cluster that this runs on, few enough to draw."""

Limit = Literal["compute", "data", "evaluation", "start-up"]
WorkerKind = Literal["GPU", "CPU"]


@dataclass(frozen=True)
class Timings:
    """Where the wall time of a training went, in seconds, on worker 0, over all its attempts; the phases add up to
    total_s. Pauses between attempts are in none of them."""

    startup_s: float = 0.0
    """From the command to the first request for data: processes, imports, network, choice of numerics, resume."""
    choosing_share: float = 0.0
    """Share of startup_s in which the last attempt chose the numerics. Only a study's first trainings measure."""
    first_batch_s: float = 0.0
    """Waiting for the first batch, after everything else was ready."""
    data_wait_s: float = 0.0
    """Waiting for every later batch."""
    warmup_steps_s: float = 0.0
    """The first steps, left out of every rate (see num_warmup_steps)."""
    step_s: float = 0.0
    """Steps after the warm-up: forward, backward, exchange of gradients, update."""
    synchronising_share: float = 0.0
    """Share of the last attempt's steps, warm-up included, that went to exchange with the other workers beyond what was
    computed meanwhile, waiting for the slowest included: gradients by torch's sample of the steps; the sums that a
    loss is made of as a CPU waits for them."""
    evaluation_s: float = 0.0
    checkpoint_s: float = 0.0
    other_s: float = 0.0
    """Logging and what no other phase names."""
    lost_s: float = 0.0
    """Time lost with attempts that ended early: after their last checkpoint, and so done again."""
    total_s: float = 0.0
    num_warmup_steps: int = 0
    num_timed_steps: int = 0
    """Timed steps of the last attempt, as num_warmup_steps: those that rates are measured on."""
    evaluated_share: float = 1.0
    """Share of worker 0's part of the validation split: a training that only measures sees what there is time for."""
    step_spread: float = 0.0
    """Standard deviation of the last attempt's timed steps, each with the wait for its batch, as a share of the mean;
    0 of fewer than two."""

    def samples_per_s(self, global_batch_size: int) -> float | None:
        """Steady rate over all workers, waiting for data included, warm-up left out. None before any timed step."""
        busy_s = self.step_s + self.data_wait_s
        return self.num_timed_steps * global_batch_size / busy_s if self.num_timed_steps and busy_s > 0 else None

    def waiting_share(self) -> float | None:
        """Share of the steady time that waited for data."""
        busy_s = self.step_s + self.data_wait_s
        return self.data_wait_s / busy_s if busy_s > 0 else None

    def binding_limit(self) -> Limit:
        """The phase that took most of the time."""
        parts: dict[Limit, float] = {
            "compute": self.step_s + self.warmup_steps_s,
            "data": self.data_wait_s + self.first_batch_s,
            "evaluation": self.evaluation_s,
            "start-up": self.startup_s,
        }
        return max(parts, key=lambda name: parts[name])


@dataclass(frozen=True)
class ScoreFamily:
    """How reports name a score `name`, and those of its parts, `name_PART`."""

    name: str
    """As in metrics.jsonl and in evaluations: `dice` of dice, dice_WT and dice_TC."""
    title: str
    meaning: str = ""
    """A clause without a full stop."""
    better: Literal["higher", "lower"] = "higher"
    parts: Mapping[str, str] = field(default_factory=dict)
    """In words: {"WT": "whole tumour"}."""
    mean_title: str | None = None
    """Title of `name` itself where it is the mean over the parts; reports then show every case, part by part."""
    decimals: int = 3


ScoreNames = tuple[ScoreFamily, ...]
"""The most telling first."""


@dataclass(frozen=True)
class TrialRecord:
    """One training: what was asked, what was chosen, what it cost, what came out."""

    name: str
    status: Literal["finished", "failed"]
    experiment: Mapping[str, Any]
    store: str
    num_workers: int
    launcher: Literal["local", "ray"]
    device: str
    global_batch_size: int
    num_steps: int
    num_parameters: int
    numerics: Mapping[str, Any]
    """Precision, memory layout and the step times measured for the choice."""
    timings: Timings
    samples_per_s: float | None
    samples_per_s_per_worker: float | None
    waiting_share: float | None
    binding_limit: str
    metrics: Mapping[str, Any]
    """Epoch, step and scores of the best validation."""
    score: str = "score"
    """Name of the one among them that chose it; more is better."""
    scores: ScoreNames = ()
    """How to name them; empty: by their own names."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Where the network's initial weights came from: name or file, and which keys were missing or left over; empty:
    random."""
    num_restarts: int = 0
    earlier_num_workers: tuple[int, ...] = ()
    """On which it was trained before it got num_workers; timings are over all."""
    memory_bytes: int = 0
    """Most that worker 0 held in this training: of its GPU as torch reserved it, on a CPU its process. 0: older than
    this."""
    memory_limit_bytes: int = 0
    """Memory of that GPU, or of the host."""
    predicted_s: float | None = None
    """The plan's forecast of total_s; None where there was no plan."""
    failure: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_workers("num_workers", self.num_workers)


@dataclass(frozen=True)
class Span:
    """A stretch of a trial's time, on the clock of its worker 0."""

    phase: str
    """As the fields of Timings without `_s`: startup, first_batch, data_wait, step, evaluation, checkpoint, other."""
    start_s: float
    """time.time()."""
    end_s: float


@dataclass(frozen=True)
class Stint:
    """A stretch of a trial on a lane's workers."""

    lane: int
    workers_per_trial: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Takeover:
    """Between two rounds of a population: a member goes on from another's network."""

    epoch: int
    """After which."""
    member: str
    origin: str
    """Whose network it is from now on."""
    values: Mapping[str, Any]
    """The member's options from now on, by path: the origin's, changed a little."""
    takes_best: bool
    """Whether the origin's best network so far was better than the member's, and is now kept in its place."""


@dataclass(frozen=True)
class StudyTrial:
    """A trial as the study ran it; its own record.json has the rest."""

    name: str
    status: Literal["finished", "failed", "stopped", "waiting"]
    """`stopped`: ended early by a rule; `waiting`: not begun, or not ended, when this was written."""
    stage: int
    """Index into the plan's stages."""
    lane: int
    """Which of the stage's concurrent places it ran in; its workers are lane * workers_per_trial and following."""
    workers_per_trial: int
    start_s: float | None = None
    end_s: float | None = None
    num_attempts: int = 0
    failure: str | None = None
    """Why it failed, or why it was stopped."""
    record: TrialRecord | None = None
    """The record of a finished trial."""
    spans: tuple[Span, ...] = ()
    stints: tuple[Stint, ...] = ()
    """Where and when it ran, if not in one go: a member of a population."""

    def __post_init__(self) -> None:
        places = [(self.lane, self.workers_per_trial)]
        for lane, workers_per_trial in places + [(one.lane, one.workers_per_trial) for one in self.stints]:
            _check_workers("workers_per_trial", workers_per_trial)
            if not 0 <= lane < MAX_WORKERS:
                raise UsageError(f"lane: got {lane}, expected 0 to {MAX_WORKERS - 1}")


@dataclass(frozen=True)
class Session:
    """One run of the study's command, from its start to its end or to the last sign of it."""

    start_s: float
    end_s: float
    ready_s: float | None = None
    """Seconds from its start until Tune could give out trials; while workers came up beside it, only what it computed
    itself. None: older than this, or ended before."""


@dataclass(frozen=True)
class StudyRecord:
    """One study under one plan: runs/<study>/record.json."""

    name: str
    status: Literal["running", "finished", "failed"]
    """`failed`: ended, and at least one trial failed."""
    strategy: str
    plan: Mapping[str, Any]
    num_workers: int
    worker_kind: WorkerKind
    sessions: tuple[Session, ...]
    """The makespan is the sum of their lengths."""
    trials: tuple[StudyTrial, ...]
    best_trial: str | None = None
    """By its best validation score; the test split has no say."""
    score: str = "score"
    """Name of the validation metric, of which more is better."""
    lineage: tuple[Takeover, ...] = ()
    """Who took over whose network; a population's only."""
    versions: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_workers("num_workers", self.num_workers)

    def makespan_s(self) -> float:
        return sum(session.end_s - session.start_s for session in self.sessions)


def _check_workers(name: str, num: int) -> None:
    if not 1 <= num <= MAX_WORKERS:
        raise UsageError(f"{name}: got {num}, expected 1 to {MAX_WORKERS}")


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Installed versions of what decides results and speed."""
    return dict(_versions(packages))


@cache
def _versions(packages: tuple[str, ...]) -> Mapping[str, str]:
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def host() -> dict[str, Any]:
    """The machine this process runs on."""
    return {
        "name": socket.gethostname(),
        "system": platform.platform(),
        "num_cores": num_cores(),
        "memory_bytes": memory_bytes(),
    }
