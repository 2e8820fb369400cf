"""What the workload says of itself: its options, its flags, its scores. No torch here."""

from dataclasses import dataclass, field

from app.errors import UsageError
from app.records import ScoreFamily
from app.workloads.declaration import Declaration, Engine, EvaluateFlags, PredictFlags, PrepareFlags, TrainFlags


@dataclass(frozen=True)
class VectorTask:
    """What is learned, by which network."""

    num_hidden: int = 16
    """Width of the hidden layer."""
    tolerance: float = 0.5
    """A prediction that is off by no more counts as right."""
    num_features: int | None = None
    """Filled in from the store."""

    def __post_init__(self) -> None:
        if self.num_hidden < 1:
            raise UsageError(f"num_hidden: got {self.num_hidden}, expected 1 or more")


@dataclass(frozen=True)
class PrepareVectors(PrepareFlags):
    """Rows of a CSV file: the columns id and y, all others are features."""

    seed: int = 0
    """Seed of the split into 70/15/15 %."""

    def prepare(self, engine: Engine) -> None:
        from vectors.store import prepare

        prepare(self)


@dataclass(frozen=True, kw_only=True)
class TrainVectors(TrainFlags):
    """Regression on rows of numbers."""

    workload = "vectors"
    task: VectorTask = field(default_factory=VectorTask)


@dataclass(frozen=True, kw_only=True)
class EvaluateVectors(EvaluateFlags):
    """Share of rows within the tolerance, and the absolute error."""

    workloads = ("vectors",)

    def conventions(self) -> tuple[str, ...]:
        return ("every row counts the same",)


@dataclass(frozen=True, kw_only=True)
class PredictVectors(PredictFlags):
    """The y of rows that have none."""

    items = "CSV files"
    model: str
    """Folder of a run."""

    def exported(self) -> tuple[str, str]:
        return self.model, "vectors"

    def predict(self, engine: Engine) -> None:
        from vectors.store import predict

        predict(self, engine)


VECTORS = Declaration(
    workload="vectors.workload:VectorWorkload",
    scores=(
        ScoreFamily("within", "Within the tolerance", "It is the share of rows predicted within the tolerance"),
        ScoreFamily("error", "Absolute error", "The absolute error is in units of y", better="lower", decimals=2),
    ),
    prepare={"vectors": PrepareVectors},
    train={"vectors": TrainVectors},
    evaluate={"vectors": EvaluateVectors},
    predict={"vectors": PredictVectors},
)
