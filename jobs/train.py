"""Train one experiment on any number of workers; started again, it resumes where it stopped."""

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from app.command_line import absolute
from app.experiment import Experiment, OptimizerConfig, ScheduleConfig, TrainingOptions
from app.recipes import documents as recipes
from app.workloads.brats.task import BratsTask
from app.workloads.documents.image.task import DocumentImageTask
from app.workloads.documents.text.task import DocumentTextTask


@dataclass(frozen=True, kw_only=True)
class Common(TrainingOptions):
    """What every training has."""

    store: str
    """Prepared store (a folder or URL), made by jobs/prepare.py."""
    name: str = "train"
    """Names the run: its folder is RUNS/NAME."""
    runs: str = "runs"
    """Folder (or URL) of all runs."""
    workers: int = 1
    """Workers that train together, one GPU or CPU core each."""
    launcher: Literal["ray", "local"] = "ray"
    """`local` trains in this process, without Ray."""
    feeding: Literal["auto", "worker", "ray"] = "auto"
    """Who reads samples: Ray Data's tasks (auto), or each worker for itself."""
    log: tuple[str, ...] = ()
    """Loggers that hear of it: mlflow[:URI] wandb tensorboard."""


@dataclass(frozen=True, kw_only=True)
class TrainBrats(Common):
    """Brain tumour segmentation in 3D."""

    task: BratsTask = field(default_factory=BratsTask)

    workload = "brats"


@dataclass(frozen=True, kw_only=True)
class TrainDocumentImage(Common):
    """Pages by their image; Ferrando 2020 trains 20 epochs on RVL-CDIP at a rate of 0.2 x batch / 256."""

    epochs: int = recipes.IMAGE_EPOCHS
    batch_size: int = recipes.IMAGE_BATCH
    optimizer: OptimizerConfig = recipes.IMAGE_OPTIMIZER
    schedule: ScheduleConfig = recipes.IMAGE_SCHEDULE
    task: DocumentImageTask = field(default_factory=DocumentImageTask)

    workload = "document_image"


@dataclass(frozen=True, kw_only=True)
class TrainDocumentText(Common):
    """Pages by their OCR text (jobs/ocr.py); the defaults are those of Ferrando 2020 (AdamW 3e-5, batch 6)."""

    epochs: int = recipes.TEXT_EPOCHS
    batch_size: int = recipes.TEXT_BATCH
    optimizer: OptimizerConfig = recipes.TEXT_OPTIMIZER
    schedule: ScheduleConfig = recipes.TEXT_SCHEDULE
    task: DocumentTextTask = field(default_factory=DocumentTextTask)

    workload = "document_text"


def main(arguments: Any) -> None:
    start_s = time.time()
    from app.configuration import to_dict
    from app.console import say
    from app.execution.cluster.connection import default_feeding
    from app.execution.trials.loggers import open_loggers
    from app.execution.trials.trial import run_trial
    from app.training.order import Order

    own = {"store", "runs", "workers", "launcher", "feeding", "log", "task"}
    values = {key: value for key, value in vars(arguments).items() if key not in own}
    experiment = Experiment(workload=arguments.workload, task=to_dict(arguments.task), **values)
    folder = absolute(arguments.runs) + f"/{arguments.name}"
    order = Order(
        experiment,
        absolute(arguments.store),
        folder,
        start_s,
        num_workers=arguments.workers,
        launcher=arguments.launcher,
        feeding=default_feeding(False) if arguments.feeding == "auto" else arguments.feeding,
    )
    loggers = open_loggers(arguments.log, arguments.name, folder)
    try:
        record = run_trial(order, loggers)
    finally:
        loggers.close()
    best = "  ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in record.metrics.items())
    say(f"{record.name}: best validation: {best}")
    timings = record.timings
    rate = "" if record.samples_per_s is None else f", {record.samples_per_s:.2f} samples/s"
    lost = f", lost and done again {timings.lost_s:.0f}" if timings.lost_s else ""
    say(
        f"{record.name}: {timings.total_s:.0f} s: start-up {timings.startup_s:.0f}, first batch "
        f"{timings.first_batch_s:.0f}, steps {timings.step_s + timings.warmup_steps_s:.0f}, waiting for data "
        f"{timings.data_wait_s:.1f}, evaluation {timings.evaluation_s:.0f}, checkpoints "
        f"{timings.checkpoint_s:.1f}{lost}{rate}; bottleneck: {record.binding_limit}"
    )
    say(f"{record.name}: written to {folder}")


WORKLOADS = {"brats": TrainBrats, "document-image": TrainDocumentImage, "document-text": TrainDocumentText}

if __name__ == "__main__":
    from app.command_line import run

    run(WORKLOADS, main, description=__doc__)
