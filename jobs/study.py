"""Train the experiments of a study by a plan: data-parallel, experiment-parallel, or anything between.

Started again with the same command it resumes where it stopped: finished trials are not run again.
"""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.command_line import absolute
from app.errors import UsageError

PLAN_FILE = "plan:"
AUTO = "auto"
TOLD_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Arguments:
    study: str | None = None
    """JSON file with `name` and `experiments`, or a `search` that makes them (app/planning/search.py), and perhaps a
    `scheduler`; docs/schedulers-and-searches.md has their names."""
    recipe: str | None = None
    """Name of a complete study (app/workloads/*/recipes.py), in place of a file."""
    options: tuple[str, ...] = ()
    """Options of the recipe, as NAME=VALUE: epochs=3 model=efficientnet_b1 text_model=models/bert."""
    store: tuple[str, ...]
    """Prepared store, made by jobs/prepare.py; NAME=DIR for each where experiments name several."""
    strategy: str = AUTO
    """auto (up to 3 minutes to measure what trainings take; says what each way will, and takes the fastest),
    data-parallel, experiment-parallel, hybrid:K (K workers a trial) or plan:FILE (a plan.json, perhaps edited)."""
    profile: str | None = None
    """With auto: file of jobs/calibrate.py; only what it lacks is measured."""
    time_budget_h: float | None = None
    """With auto: hours that the study may take, over all starts of its command. How many trials fit is said; those that
    could end too late are left out, and a start with more time takes them up."""
    cost_budget: float | None = None
    """With auto and a price: the same as an amount of money; all workers count until the end."""
    price_per_worker_hour: float | None = None
    """In the currency of --cost-budget."""
    workers: int | None = None
    """Workers in all, one GPU or CPU core each; all there are if not given."""
    runs: str = "runs"
    """Folder (or URL) of all runs."""
    name: str | None = None
    """Names the run: its folder is RUNS/NAME; the study's own name if not given."""
    feeding: Literal["auto", "worker", "ray"] = "auto"
    """Who reads samples: Ray Data's tasks, or each worker for itself (auto for one worker a trial on CPUs)."""
    log: tuple[str, ...] = ()
    """Loggers that hear of every trial: mlflow[:URI] wandb tensorboard."""
    numerics: str | None = None
    """Folder of another run of this study, whose choices of precision and memory layout are taken, so that the scores
    compare; else the first trial of each network measures which are the fastest."""


def main(arguments: Arguments) -> None:
    start_s = time.time()
    from app.console import say
    from app.errors import TrainingError
    from app.execution.studies.store_flags import parse_stores, stores_of
    from app.execution.studies.study import StudySetting, run_study
    from app.execution.trials.loggers import open_loggers

    study = read_study(arguments.study, arguments.recipe, arguments.options)
    stores = {name: absolute(folder) for name, folder in parse_stores(arguments.store).items()}
    stores_of(study, stores)
    folder = f"{absolute(arguments.runs)}/{arguments.name or study.name}"
    feeding = None if arguments.feeding == "auto" else arguments.feeding
    for name in ("profile", "time_budget_h", "cost_budget", "price_per_worker_hour"):
        if getattr(arguments, name) is not None and arguments.strategy != AUTO:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag}: got it beside --strategy {arguments.strategy}, expected --strategy {AUTO}")
    left_out = None
    if arguments.strategy == AUTO:
        plan, left_out, start_s = find_plan(study, stores, arguments, folder, start_s)
    else:
        plan = make_plan(study, arguments.strategy, arguments.workers)
    loggers = open_loggers(arguments.log, arguments.name or study.name, folder)
    try:
        numerics = None if arguments.numerics is None else absolute(arguments.numerics)
        setting = StudySetting(folder, stores, feeding, loggers, numerics, left_out=left_out)
        record = run_study(study, plan, setting, start_s)
    finally:
        loggers.close()
    for line in closing_lines(record, folder):
        say(line)
    failed = [trial for trial in record.trials if trial.status == "failed"]
    if failed:
        reasons = "; ".join(f"{trial.name}: {trial.failure}" for trial in failed)
        raise TrainingError(f"{len(failed)} of {len(record.trials)} trials failed: {reasons}")


def read_study(path: str | None, recipe: str | None, options: tuple[str, ...] = ()) -> Any:
    """The study of a file or of a recipe; its scheduler and search are such as run.

    Raises:
        UsageError: both or neither is given, the file is no study, or there is no such recipe or option of it.
    """
    from app.execution.studies.schedulers import check_scheduler
    from app.execution.studies.searchers import check_search

    if (path is None) == (recipe is None):
        raise UsageError("expected --study FILE or --recipe NAME, one of them")
    study = _study_of_file(path, options) if path is not None else _study_of_recipe(str(recipe), options)
    check_scheduler(study.scheduler)
    check_search(study.search)
    return study


def _study_of_file(path: str, options: tuple[str, ...]) -> Any:
    from app.data import files
    from app.planning.search import study_of
    from app.strict_json import DamagedFileError

    if options:
        raise UsageError("--options are a recipe's; what a file says stands in the file")
    try:
        return study_of(files.read_json(path))
    except DamagedFileError as error:  # what somebody wrote by hand
        raise UsageError(str(error)) from error


def _study_of_recipe(recipe: str, options: tuple[str, ...]) -> Any:
    from app.workloads.registry import find_recipe

    found = find_recipe(recipe)
    return found(**recipe_options(found, options))


def recipe_options(recipe: Any, options: tuple[str, ...]) -> dict[str, Any]:
    """The recipe's keyword arguments; a value is JSON, or else text, and the path of a local folder made whole.

    Raises:
        UsageError: no NAME=VALUE, or the recipe has no such option.
    """
    import inspect

    from app.configuration import nearest

    known = [name for name in inspect.signature(recipe).parameters if name != "small"]
    found: dict[str, Any] = {}
    for option in options:
        name, equals, text = option.partition("=")
        if not equals or name not in known:
            raise UsageError(f"--options: got {option!r}, expected NAME=VALUE; {nearest(name, known)}")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = absolute(text) if Path(text).is_dir() else text
    return found


def find_plan(study: Any, stores: Any, arguments: Arguments, folder: str, start_s: float) -> Any:
    """The fastest, by what trainings are measured to take, and from when the study's time counts; asks the cluster
    where no number of workers is given."""
    from app.execution.cluster import connection
    from app.execution.studies.automatic import automatic_plan

    num_workers = arguments.workers if arguments.workers is not None else connection.connect(1).total
    if num_workers < 1:
        raise UsageError(f"--workers: got {num_workers}, expected 1 or more")
    profile = None if arguments.profile is None else absolute(arguments.profile)
    feeding = None if arguments.feeding == "auto" else arguments.feeding
    budget_s = budget(arguments, num_workers)
    has_numerics = arguments.numerics is not None
    return automatic_plan(study, stores, num_workers, folder, profile, feeding, start_s, budget_s, has_numerics)


def budget(arguments: Arguments, num_workers: int) -> float | None:
    """Seconds that the study may take; None: as long as it does.

    Raises:
        UsageError: an amount without a price, or what is not above 0.
    """
    import math

    from app.errors import require

    hours, amount, price = arguments.time_budget_h, arguments.cost_budget, arguments.price_per_worker_hour
    for flag, value in (("--time-budget-h", hours), ("--cost-budget", amount), ("--price-per-worker-hour", price)):
        require(value is None or 0 < value < math.inf, flag, value, "more than 0")
    if (amount is None) != (price is None):
        raise UsageError("--cost-budget and --price-per-worker-hour: got one of them, expected both or none")
    bounds = [] if hours is None else [hours]
    bounds += [] if amount is None or price is None else [amount / price / num_workers]
    return min(bounds) * 3600 if bounds else None


def make_plan(study: Any, strategy: str, num_workers: int | None) -> Any:
    """The plan of a strategy or a file; asks the cluster only where no number of workers is given."""
    from app.data import files
    from app.planning import plan
    from app.run_folder.study import PLAN

    if strategy.startswith(PLAN_FILE):
        path = strategy.removeprefix(PLAN_FILE)
        found = PLAN.parse(files.read_bytes(path), path)
        if num_workers is not None and num_workers != found.num_workers:
            raise UsageError(f"--workers {num_workers}: the plan is for {found.num_workers}; leave --workers out")
        plan.check(found, study)
        return found
    if num_workers is None:
        from app.execution.cluster import connection

        plan.workers_per_trial(strategy, 1_000_000)  # a misspelt name needs no cluster
        num_workers = connection.connect(1).total
    if num_workers < 1:
        raise UsageError(f"--workers: got {num_workers}, expected 1 or more")
    return plan.plan_of_strategy(study, strategy, num_workers)


def closing_lines(record: Any, folder: str) -> list[str]:
    """What to tell at the end: how long, the best trial, and what to do with it."""
    done = sum(trial.status == "finished" for trial in record.trials)
    trials = f"{done} of {len(record.trials)} trials finished in {record.makespan_s():.0f} s"
    lines = [
        f"{record.name}: {trials} ({record.strategy}, {record.num_workers} workers)",
        f"{record.name}: written to {folder}",
    ]
    left = [trial.name for trial in record.trials if trial.status == "stopped" and trial.start_s is None]
    if left:
        more = "a start with a larger budget takes them up"
        lines.insert(1, f"{record.name}: left out for want of time: {', '.join(left)}; {more}")
    if lost := lost_line(record, folder):
        lines.insert(1, f"{record.name}: {lost}")
    best = next((trial for trial in record.trials if trial.name == record.best_trial), None)
    if best is None or best.record is None:
        return lines
    from app.run_folder.study import trial_folder
    from app.workloads.registry import find_declaration

    declared = find_declaration(best.record.experiment["workload"])
    flags = f"--run {trial_folder(folder, best.name)} --store {best.record.store}"
    lines.append(f"best by validation {record.score}: {best.name} ({best.record.metrics[record.score]:.4f})")
    if declared is not None and declared.evaluate:
        subcommand = next(iter(declared.evaluate))
        lines.append(f"score it on the test split, once: python jobs/evaluate.py {subcommand} {flags}")
    return lines


def lost_line(record: Any, folder: str) -> str | None:
    """What interruptions cost: steps that were done again, and the time in which trials had no workers; None: nothing.
    A pause between two starts of the command is not counted."""
    from app.execution.trials.earlier import waited_s
    from app.run_folder.study import trial_folder

    again = [trial for trial in record.trials if trial.record is not None and trial.record.num_restarts]
    lost_s = sum(trial.record.timings.lost_s for trial in again)
    without_s = sum(waited_s(trial_folder(folder, trial.name)) for trial in again)
    if lost_s < TOLD_S and without_s < TOLD_S:
        return None
    waited = f", and {without_s:.0f} s passed until they resumed" if without_s >= TOLD_S else ""
    interrupted = "1 trial was" if len(again) == 1 else f"{len(again)} trials were"
    return f"{interrupted} interrupted: {lost_s:.1f} s of training were lost and done again{waited}"


if __name__ == "__main__":
    from app.command_line import run

    run(Arguments, main)
