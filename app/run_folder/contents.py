"""What the files of runs and studies hold, besides the records (app.records), experiments and plans."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app import errors
from app.errors import TwofoldError, UsageError
from app.planning.population import Decision
from app.strict_json import mapping, shown

ERRORS = tuple(name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, TwofoldError))


@dataclass(frozen=True)
class Failure:
    """Why an attempt at a training ended."""

    kind: Literal["final", "error", "death"]
    """`final`: trying again would only repeat it. `error`: it may have been a passing trouble of a network or another
    worker. `death`: a worker's process or node is gone."""
    reason: str
    error: str = "TrainingError"
    """Name of the class in app.errors that says it to the user."""

    def __post_init__(self) -> None:
        if self.error not in ERRORS:
            raise UsageError(f"error: got {shown(self.error)}, expected one of {', '.join(ERRORS)}")

    @property
    def spares_workers(self) -> bool:
        """Whether processes that all failed so can train the next: what was refused has left nothing behind."""
        return self.kind == "final" and self.error in ("UsageError", "DataError", "TrainingError")

    def as_error(self) -> TwofoldError:
        kind: type[TwofoldError] = getattr(errors, self.error)
        return kind(self.reason)


@dataclass(frozen=True)
class Attempt:
    """A start of a training's workers; all times are time.time()."""

    command_start_s: float
    attempt_start_s: float
    counted_from_s: float | None = None
    """From when its start-up counts; None: from its start."""
    nodes: tuple[str, ...] = ()
    """Ray's ids of those that it began on."""
    num_workers: int | None = None
    """None: older than this."""
    last_sign_s: float | None = None
    """When it last said something of itself; noted by the attempt that follows."""
    trained_s: float | None = None
    """Seconds of training behind the checkpoint that it resumed from; None: it started without one."""
    paused: bool = False
    """By a scheduler: what follows is no restart."""
    failure: Failure | None = None

    @property
    def start_s(self) -> float:
        return self.attempt_start_s if self.counted_from_s is None else self.counted_from_s


@dataclass(frozen=True)
class FailureNote:
    """Why a training was given up."""

    name: str
    status: Literal["failed"]
    failure: str
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """What a training last said of itself, for a display."""

    epoch: int
    epochs: int
    step: int
    num_steps: int
    loss: float
    scores: Mapping[str, Any]
    """Scores of the epoch's evaluation; empty between evaluations."""
    best_score: Any = None
    samples_per_s: float | None = None
    waiting_share: float | None = None
    eta_s: float | None = None

    def __post_init__(self) -> None:
        for name, value in {**self.scores, "best_score": self.best_score}.items():
            check_score(name, value)


@dataclass(frozen=True)
class StoreClaim:
    """The prepared store on which a run was begun."""

    store: str
    fingerprint: str
    """Identifies its contents (app.data.store.manifest)."""


@dataclass(frozen=True)
class Stop:
    """A trial was ended early."""

    epoch: int
    score: float | None
    reason: str


@dataclass(frozen=True)
class Suggested:
    """What a study's search chose for a trial."""

    values: Mapping[str, Any]
    """By the options' paths."""
    suggestion: Mapping[str, Any]
    """From which the values were read."""


@dataclass(frozen=True)
class Decisions:
    """What was decided in a population, after each round."""

    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True)
class LoggerRun:
    """Under which name a logger knows a trial."""

    run: str
    step: int = -1
    """The last that it was told of, where it cannot be asked."""


@dataclass(frozen=True)
class Mean:
    """One score over the cases for which it is defined."""

    mean: float | None
    low: float | None = None
    """Ends of the bootstrap interval; None with fewer than two cases."""
    high: float | None = None
    num_cases: int = 0


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a model on one split, but for the cases' own scores (cases.csv)."""

    split: str = ""
    num_cases: int = 0
    scores: Mapping[str, Mean] = field(default_factory=dict)
    model: str = ""
    store: str = ""
    task: Mapping[str, Any] = field(default_factory=dict)
    """The task's options that were replaced for this evaluation."""
    of: str = ""
    """Digest of all that the scores depend on: weights, options, cases and what the store has of them."""
    numerics: tuple[Mapping[str, Any], ...] = ()
    """In which the cases were scored: precision, memory layout and device; several where workers differ."""
    interval: str = ""
    """How the ends of the means' intervals were found."""
    conventions: tuple[str, ...] = ()
    """How cases without a region and the like were counted."""
    best_validation: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def epoch_line(value: Any) -> dict[str, Any]:
    """A line of metrics.jsonl: `epoch`, `step`, `loss` and `elapsed_s`, and the scores of an epoch that was evaluated.

    Raises:
        UsageError: a number is missing or is none; names it.
    """
    line = mapping(value)
    for name in ("epoch", *(name for name in ("step",) if name in line)):
        number = line.get(name)
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise UsageError(f"{name}: got {shown(number)}, expected a whole number, 0 or more")
    for name, value in line.items():
        check_score(name, value)
    return line


def step_line(value: Any) -> dict[str, Any]:
    """A line of steps.jsonl: `step`, `loss` and `learning_rate`. Raises UsageError as `epoch_line`."""
    line = mapping(value)
    if not isinstance(line.get("step"), int) or isinstance(line["step"], bool):
        raise UsageError(f"step: got {shown(line.get('step'))}, expected a whole number")
    for name, value in line.items():
        check_score(name, value)
    return line


def origin(value: Any) -> dict[str, Any]:
    """Where a network's initial weights came from, as the workload says it: `source`, `num_loaded` and the names of the
    tensors that were `new`, which a text network calls `random`. Raises UsageError."""
    found = mapping(value)
    for name in ("new", "random"):
        names = found.get(name, [])
        if not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in names):
            raise UsageError(f"{name}: got {shown(names)}, expected a list of names")
        if names and (not isinstance(found.get("num_loaded"), int) or not isinstance(found.get("source"), str)):
            raise UsageError("expected num_loaded, a whole number, and source, a text")
    return found


def check_score(name: str, value: Any) -> None:
    """A score may be None or not a number, as metrics are. Raises UsageError."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise UsageError(f"{name}: got {shown(value)}, expected a number or null")
