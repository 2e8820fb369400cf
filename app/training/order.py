"""What every worker of a training receives; small, picklable and free of torch."""

import math
from dataclasses import dataclass
from typing import Literal

from app.experiment import Experiment

Feeding = Literal["worker", "ray"]
"""Who reads samples: the worker, in a thread of its own, or Ray Data's tasks anywhere on the cluster."""


@dataclass(frozen=True)
class Measure:
    """Bounds of a training that is to say what a step takes, and not to learn: it ends, with an evaluation, after so
    many steps, or once so much time has gone into them. Its record counts the steps that all its epochs would have
    had."""

    max_steps: int
    max_s: float
    min_steps: int = 6
    """The first of them are warm-up (app.training.timing)."""
    max_evaluation_s: float = math.inf
    """Cases that do not begin within these are left out; the record says what share was seen."""


@dataclass(frozen=True, repr=False)
class Order:
    """One experiment to train: on how many workers, from which store, into which folder."""

    experiment: Experiment
    store: str
    folder: str
    """The trial's folder: metrics.jsonl, checkpoint/, ..."""
    start_s: float
    """time.time() from which its start-up counts."""
    num_workers: int = 1
    workers_on_node: int = 1
    """That share the cores of a node, those of other trials among them."""
    launcher: Literal["ray", "local"] = "ray"
    """`local` trains in this process, without Ray; it takes one worker."""
    feeding: Feeding = "worker"
    numerics_folder: str | None = None
    """Where the precision and memory layout of a study are kept; None: the trial's checkpoint alone keeps its own."""
    known_epochs: int | None = None
    """Evaluations up to this epoch were told and decided on before the command was started again, later ones are told
    again; None: all were."""
    changing: tuple[str, ...] = ()
    """Options of the experiment that may differ from what the folder held: a scheduler changes them on the way."""
    measure: Measure | None = None
    study: str = ""
    """Name of the study's run; empty: none, the training is alone."""
    stage: int = 0
    """Number of its stage in the study's plan, from 0."""
    asked: tuple[str, ...] = ()
    """Ray's ids of the nodes that are known to see what the study uses; empty: nothing is known of any."""

    def __repr__(self) -> str:  # Tune writes a trial's configuration into tags and logs
        return f"Order({self.experiment.name})"

    @property
    def label(self) -> str:
        """What Ray's dashboard shows it by; also part of names of files."""
        return f"{self.study}:stage{self.stage + 1}:{self.experiment.name}" if self.study else self.experiment.name

    def end_step(self, first_step: int, num_steps: int) -> int:
        """The step before which it ends where it begins with `first_step` and its epochs have `num_steps`. Nothing
        beyond is read: Ray Data reads ahead, and what is measured would be slowed by reading for steps that never are
        made (on two cores 0.16 s a step for the study's 0.10, measured; 0.099 without, a little too good, for some of
        these steps were read before the first)."""
        if self.measure is None:
            return num_steps
        return min(num_steps, first_step + max(self.measure.max_steps, self.measure.min_steps))

    @property
    def evaluation_s(self) -> float:
        """Longest that an evaluation may take."""
        return math.inf if self.measure is None else self.measure.max_evaluation_s

    @property
    def batch_size(self) -> int:
        """Samples a step over all workers."""
        return self.experiment.global_batch_size(self.num_workers)
