"""Train one experiment on any number of workers; started again, it resumes where it stopped."""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

import time

from app.command_line import absolute
from app.experiment import Experiment
from app.workloads.declaration import TrainFlags


def main(arguments: TrainFlags) -> None:
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


if __name__ == "__main__":
    from functools import partial

    from app.command_line import run
    from app.workloads.registry import subcommands

    run(partial(subcommands, "train"), main, description=__doc__)
