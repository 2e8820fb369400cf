"""One experiment on k workers, from its folder to its record; finished ones are not run again."""

import dataclasses
from typing import Any

from app.console import say
from app.data.store.ownership import held
from app.errors import TwofoldError, UsageError
from app.execution.trials.attempts import AttemptFailed, given_up, is_worth_another, write_failure
from app.execution.trials.checks import check_order
from app.execution.trials.display import TrainingDisplay
from app.execution.trials.loggers import Loggers
from app.execution.trials.record import claim_folder, claim_stores, told_origin
from app.records import TrialRecord
from app.run_folder.contents import Failure
from app.training.order import Order

STOP_WITHIN_S = 2.0
"""What Ctrl-C waits for workers to close their logs and to end; those that are only starting up hear of it too late."""


def run_trial(order: Order, loggers: Loggers | None = None) -> TrialRecord:
    """Train, or go on with, one experiment; its record is also in the folder, whether it finished or failed.

    Raises:
        UsageError: the folder holds another experiment, one begun on other data, or one that another process trains;
            or the workers do not divide the batch.
        TwofoldError: the training failed; its message says why.
    """
    with held(order.folder, "the run"):
        return _run_held(order, loggers)


def _run_held(order: Order, loggers: Loggers | None) -> TrialRecord:
    experiment = check_order(order.experiment, order.store, order.folder, order.num_workers)
    order, name = dataclasses.replace(order, experiment=experiment), experiment.name
    if order.launcher == "local" and order.num_workers != 1:
        raise UsageError(f"without Ray one worker trains in this process; got {order.num_workers} workers")
    finished = claim_folder(order)
    claim_stores(order.folder, {"": order.store}, {("", experiment.workload)})
    if finished is not None:
        say(f"{name}: already finished; skipped ({order.folder})")
        return finished
    loggers = loggers or Loggers({})
    loggers.begin(name, experiment.to_dict(), order.folder)
    try:
        _run_local(order, loggers) if order.launcher == "local" else _run_ray(order, loggers)
    except TwofoldError as error:
        write_failure(order.folder, name, str(error))
        loggers.end(name, "failed")
        raise
    loggers.end(name, "finished")
    record = claim_folder(order)
    assert record is not None
    return record


def _run_local(order: Order, loggers: Loggers) -> None:
    from app.execution.trials.trial_worker import TrialWorker
    from app.training.context import LocalContext

    worker = TrialWorker(lambda _: LocalContext())
    with TrainingDisplay(order.folder, order.experiment.name, 1):
        try:
            _train(worker, order, loggers)
        except Exception:
            worker.end()  # its log is written, and no thread reads on; after Ctrl-C the process ends and waits for none
            raise


def _run_ray(order: Order, loggers: Loggers) -> Any:
    """A TorchTrainer whose workers read, train and write for themselves; Ray Train's result."""
    from app.execution.cluster import connection, host_checks
    from app.execution.trials.group import Group, GroupShape, GroupStart

    k, experiment = order.num_workers, order.experiment
    slots = connection.connect(k)
    host_checks.check_hosts([order.store, *host_checks.named_paths(experiment)], order.folder)
    use_gpu = slots.kind == "GPU"
    per_worker = {"CPU": 1.0, **({"GPU": 1.0} if use_gpu else {})}
    connection.check_workers(k, per_worker, order.feeding == "ray", "the cluster has too little room:")
    shape = GroupShape(k, per_worker, connection.all_fit_on_single_nodes(k, 1, per_worker))
    order = dataclasses.replace(order, workers_on_node=-(-k // connection.num_nodes()))
    failures: list[Failure] = []
    with TrainingDisplay(order.folder, experiment.name, k):
        while True:
            start = GroupStart(shape, order.folder, is_kept=False)
            group = Group(start.desk)
            patience_s: float | None = None
            try:
                _train(group, order, loggers)
                failure = None
            except AttemptFailed as error:
                failure = error.failure
                failures.append(failure)
            except KeyboardInterrupt:
                patience_s = STOP_WITHIN_S
                raise
            finally:
                group.close(patience_s)
            if failure is None:
                return start.result
            if not is_worth_another(failures, experiment.max_retries):
                raise _given_up(failures).as_error()


def _given_up(failures: list[Failure]) -> Failure:
    found = given_up(failures)
    if found.kind == "final":
        return found
    kept = "Its last checkpoint is kept; run the same command to resume"
    return dataclasses.replace(found, reason=f"{found.reason}. {kept}")


def _train(workers: Any, order: Order, loggers: Loggers) -> None:
    num_epochs = workers.begin(order)
    if told := told_origin(order.experiment.name, order.folder):
        say(told)
    while num_epochs < order.experiment.epochs:
        line = workers.advance()
        loggers.line(order.experiment.name, line)
        num_epochs = line["epoch"]
    workers.finish()
