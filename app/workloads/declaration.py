"""What a workload says of itself without torch: its flags by job, its checks, the names of its scores.

Jobs build their subcommands from it, and call the methods of the flags; nothing else of a workload is imported for
--help. The training itself is app.workloads.base.Workload.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from app.errors import UsageError
from app.experiment import Study, TrainingOptions
from app.records import ScoreNames

Launcher = Literal["ray", "local"]
Recipe = Callable[..., Study]
"""A complete study; its keyword arguments are what `--options` may change."""


def named(name: str, small: bool) -> str:
    """The name of a recipe, or of the small one beside it."""
    return f"{name}-small" if small else name


class Engine(Protocol):
    """What a job lends to a workload: work on many items at once, and trained models, on Ray or in this process."""

    def run_cases(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        name: str,
        count: Callable[[Any], int] | None = None,
        reads: Sequence[str] = (),
        writes: str | None = None,
    ) -> Iterator[Any]:
        """Yield `function(item)` of every item as it is done; what it raises ends the job. All of it is pickled.

        Args:
            name: what Ray's dashboard shows.
            count: cases in a result, for the rate that the dashboard shows; None: no rate is shown.
            reads: files or folders that every host of a cluster must see.
            writes: folder that every host must be able to write to.
        """

    def open_model(self, path: str, workload: str) -> Any:
        """The TrainedModel (app.execution.models.model) of a run or an exported folder. Raises UsageError where it is
        of another workload, DataError where there is none."""

    def map_with_model(
        self,
        path: str,
        function: Callable[[Any, Any], Any],
        items: Sequence[Any],
        options: Mapping[str, Any] | None = None,
        reads: Sequence[str] = (),
        writes: str | None = None,
    ) -> Iterator[Any]:
        """Yield `function(model, item)` of every item as it is done, by as many workers as the flags say, each with a
        model of its own; `options` replace some of the task's."""

    def evaluate(
        self,
        run: str,
        store: str,
        split: str,
        options: Mapping[str, Any] | None = None,
        conventions: Sequence[str] = (),
        workloads: Sequence[str] = (),
    ) -> Any:
        """The Evaluation (app.execution.models.evaluate) of a run on a split, which is also written to its folder."""

    def check_run(self, run: str, store: str, split: str, workloads: Sequence[str] = ()) -> None:
        """Raises what `evaluate` would before it begins."""

    def is_evaluated(self, run: str, store: str, split: str) -> bool:
        """Whether the evaluation that the run has is what it would be now."""


@dataclass(frozen=True)
class SynthesizeFlags:
    """Flags of jobs/synthesize.py that every workload has."""

    out: str
    """Folder to make; started again with the same flags, the job finishes what is missing in it."""
    seed: int = 0
    """Another seed gives other data; the same one gives the same bytes."""
    num_processes: int | None = None
    """Items made at a time; as many as there are cores if not given."""

    def check(self) -> None:
        """Raises UsageError when flags are wrong; before the folder is touched."""
        if self.num_processes is not None and self.num_processes < 1:
            raise UsageError(f"--num-processes: got {self.num_processes}, expected 1 or more")

    @abstractmethod
    def synthesize(self, num_processes: int) -> None:
        """Make or finish the set by so many processes."""


@dataclass(frozen=True)
class PrepareFlags:
    """Flags of jobs/prepare.py that every workload has."""

    source: str
    """Folder or URL of the data set as it is distributed."""
    store: str
    """Folder or URL of the store to make or to finish."""
    max_bad_fraction: float = 0.2
    """More bad cases than this share of all end the job with an error."""
    num_cpus: int | None = None
    """Cases worked on at a time; all cores of the machine or cluster if not given."""
    launcher: Launcher = "ray"
    """`local` works in this process, without Ray: quicker for some hundred cases."""

    def check(self) -> None:
        """Raises UsageError when flags are wrong; before the store is touched."""
        if not 0 <= self.max_bad_fraction <= 1:
            raise UsageError(f"--max-bad-fraction: got {self.max_bad_fraction}, expected 0 to 1")
        if self.num_cpus is not None and self.num_cpus < 1:
            raise UsageError(f"--num-cpus: got {self.num_cpus}, expected 1 or more")

    @abstractmethod
    def prepare(self, engine: Engine) -> None:
        """Make or finish the store, which no other process has in hand meanwhile."""


@dataclass(frozen=True, kw_only=True)
class TrainFlags(TrainingOptions):
    """Flags of jobs/train.py that every workload has."""

    workload: ClassVar[str]
    """The name in the registry."""
    store: str
    """Prepared store (a folder or URL), made by jobs/prepare.py."""
    name: str = "train"
    """Names the run: its folder is RUNS/NAME."""
    runs: str = "runs"
    """Folder (or URL) of all runs."""
    workers: int = 1
    """Workers that train together, one GPU or CPU core each."""
    launcher: Launcher = "ray"
    """`local` trains in this process, without Ray."""
    feeding: Literal["auto", "worker", "ray"] = "auto"
    """Who reads samples: Ray Data's tasks (auto), or each worker for itself."""
    log: tuple[str, ...] = ()
    """Loggers that hear of it: mlflow[:URI] wandb tensorboard."""
    task: Any
    """The workload's own options, a dataclass."""


@dataclass(frozen=True, kw_only=True)
class EvaluateFlags:
    """Flags of jobs/evaluate.py that every evaluation of a run has."""

    workloads: ClassVar[tuple[str, ...]]
    """The workloads whose runs it takes, by their names in the registry."""
    run: str
    """Folder (or URL) of the run, as jobs/train.py made it, or of an exported model."""
    store: str
    """Prepared store, made by jobs/prepare.py."""
    split: Literal["train", "validation", "test"] = "test"
    workers: int = 1
    """Workers that each hold the model and take cases in turn; the result does not depend on their number."""
    launcher: Launcher = "ray"
    """`local` evaluates in this process, without Ray."""

    def task_options(self) -> dict[str, Any]:
        """The task's options that the flags replace."""
        return {}

    def conventions(self) -> tuple[str, ...]:
        """How cases are counted: clauses that the report shows."""
        return ()


@dataclass(frozen=True, kw_only=True)
class PredictFlags:
    """Flags of jobs/predict.py that every workload has."""

    items: ClassVar[str] = "cases"
    """What the inputs are, for messages."""
    input: tuple[str, ...] = ()
    """Files, or folders of them."""
    out: str | None = None
    """Folder for what is predicted."""
    workers: int = 1
    """Workers that each hold the model and take a case at a time."""
    launcher: Launcher = "ray"
    """`local` predicts in this process, without Ray."""
    export: str | None = None
    """Also write the model as a self-contained folder: weights, preprocessing, ONNX. Needs no --input."""

    def check(self) -> None:
        """Raises UsageError when flags are wrong."""

    @abstractmethod
    def exported(self) -> tuple[str, str]:
        """The model that --export writes, and the name of its workload."""

    @abstractmethod
    def predict(self, engine: Engine) -> None:
        """Predict the inputs into the folder `out`; both are given. Raises DataError when not one could be used."""


@dataclass(frozen=True)
class Declaration:
    """One workload, by what jobs and reports ask of it. Flags stand by their subcommand: workloads of one domain may
    share them."""

    workload: str
    """`module:Class`, an app.workloads.base.Workload."""
    scores: ScoreNames
    """How reports name the scores, the most telling first."""
    prepare: Mapping[str, type[PrepareFlags]] = field(default_factory=dict)
    train: Mapping[str, type[TrainFlags]] = field(default_factory=dict)
    evaluate: Mapping[str, type[Any]] = field(default_factory=dict)
    """EvaluateFlags first; others have a method `evaluate(engine)`."""
    predict: Mapping[str, type[PredictFlags]] = field(default_factory=dict)
    synthesize: Mapping[str, type[SynthesizeFlags]] = field(default_factory=dict)
    """By the set whose format it is; none where nobody needs invented data."""
    check: str | None = None
    """`module:function` of (options, store): the task, resolved, which the store can train and validate, told without
    torch so that a job with a wrong input ends at once. None: the workload itself is asked, which imports torch."""
    export: str | None = None
    """`module:function` of a task: the app.workloads.exporting.Form of its export. None: it cannot be exported."""
    num_cases: str | None = None
    """`module:function` of (task's options, store): the cases by split that a training of them has, for reports. None:
    the rows of the store's manifest by their column `split`."""
    fingerprint: str | None = None
    """`module:function` of a store: tells apart what trainings read of it beside its manifest, free of torch. None:
    nothing."""
    recipes: str | None = None
    """`module:RECIPES`, complete studies by name for --recipe; workloads of one domain may share them."""
    later_facts: tuple[str, ...] = ()
    """Options of the task that the store fills in, and that runs lack which are older than they are."""
