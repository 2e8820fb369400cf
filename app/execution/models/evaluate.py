"""The final evaluation of a run: every case of a split exactly once over k workers, written as a table and a summary.

The result does not depend on k: each case is scored by itself, and cases are put back into their order.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from app import records
from app.configuration import to_dict
from app.console import progress
from app.data import files
from app.execution.models.model import TrainedModel, load_model, weights_file
from app.execution.models.offline import without_hub
from app.execution.models.predict import map_with_model
from app.printable import redacted
from app.run_folder.cases import Scores
from app.run_folder.contents import Evaluation, Mean
from app.run_folder.run import CASES, EVALUATIONS, SUMMARY
from app.training.context import device_name
from app.training.evaluation import chunks
from app.workloads.declaration import Launcher

NUM_RESAMPLES = 10_000
"""Number of bootstrap resamples; assumed: the ends of a 95 % interval then move by about 1 % of its width between
seeds."""
RESAMPLES_AT_ONCE = 100
"""Bounds memory: 4 MB for 5,000 cases."""
CONFIDENCE = 0.95
INTERVAL = f"{CONFIDENCE:.0%} percentile bootstrap over cases, {NUM_RESAMPLES} resamples"


@without_hub()
def evaluate_run(
    run: str,
    store: str,
    split: str,
    num_workers: int = 1,
    launcher: Launcher = "ray",
    task_options: Mapping[str, Any] | None = None,
    conventions: Sequence[str] = (),
    workloads: Sequence[str] = (),
) -> Evaluation:
    """Score every labelled case of the split; writes the table of cases and the summary into the run's folder.

    Raises:
        DataError: as `check_run`.
        UsageError: as `check_run`.
        ResourceError: the cluster has fewer slots than `num_workers`.
    """
    model, case_ids = check_run(run, store, split, task_options, workloads)
    done: dict[str, Scores] = {}
    numerics: list[dict[str, Any]] = []
    with progress(f"evaluate {split}", len(case_ids)) as advance:
        score = partial(_score_cases, store=store)
        items = chunks(case_ids, model.workload.cases_at_once)
        for scored, used in map_with_model(run, score, items, num_workers, launcher, task_options, [store]):
            done.update(scored)
            numerics += [] if used in numerics else [used]
            advance(len(scored), list(scored)[-1])
    assert sorted(done) == sorted(case_ids), "every case is scored exactly once"
    cases = {case_id: done[case_id] for case_id in case_ids}
    evaluation = Evaluation(
        model=run,
        store=store,
        split=split,
        num_cases=len(cases),
        scores=summarize(list(cases.values()), model.workload.summarize(model.task, [dict(c) for c in cases.values()])),
        task=dict(task_options or {}),
        of=_digest(model, store, case_ids),
        numerics=tuple(numerics),
        interval=INTERVAL,
        conventions=(*conventions, *model.workload.remarks(model.task, store, case_ids)),
        best_validation=dict(model.metrics),
        versions=records.versions(),
    )
    folder = files.join(run, EVALUATIONS, split)
    CASES.write(folder, cases)
    SUMMARY.write(folder, evaluation)
    return evaluation


@without_hub()
def check_run(
    run: str, store: str, split: str, task_options: Mapping[str, Any] | None = None, workloads: Sequence[str] = ()
) -> tuple[TrainedModel, list[str]]:
    """The run's model and the cases to score; all that is wrong with either is said here, before Ray is started.

    Raises:
        DataError: the run has no model or cannot be written, or the store no case in the split.
        UsageError: the model is of none of the `workloads`, where these are given, or does not fit the store.
    """
    model = load_model(run, task_options=task_options, workloads=workloads)
    model.workload.resolve_task(model.task, store)  # says when the store has other classes
    case_ids = model.workload.validation_ids(model.task, store, split)
    files.check_folder(files.join(run, EVALUATIONS, split))
    return model, case_ids


@without_hub()
def is_evaluated(run: str, store: str, split: str, task_options: Mapping[str, Any] | None = None) -> bool:
    """Whether the evaluation that the run has is what it would be now: of this store, its cases and what they hold, of
    these options, and of the weights that the run has. One that does not say so is not.

    Raises:
        DataError: the run has no model, the store no case in the split, or a file is damaged.
    """
    found = SUMMARY.find(files.join(run, EVALUATIONS, split))
    if found is None:
        return False
    model = load_model(run, task_options=task_options)
    case_ids = model.workload.validation_ids(model.task, store, split)
    return bool((redacted(found.store), found.of) == (redacted(store), _digest(model, store, case_ids)))


def _digest(model: TrainedModel, store: str, case_ids: list[str]) -> str:
    told = model.workload.contents(model.task, store, case_ids)
    digest = hashlib.sha256(files.read_bytes(weights_file(model.path)))
    digest.update(json.dumps([to_dict(model.task), asdict(model.numerics), sorted(case_ids), told]).encode())
    return digest.hexdigest()


def _score_cases(model: TrainedModel, case_ids: list[str], store: str) -> tuple[dict[str, Scores], dict[str, Any]]:
    """By case, and in which numerics."""
    scores = model.workload.evaluate_cases(model.task, model.network, store, case_ids, model.device, thorough=True)
    return dict(zip(case_ids, scores, strict=True)), {**asdict(model.numerics), "device": device_name(model.device)}


def summarize(cases: Sequence[Scores], means: Mapping[str, float]) -> dict[str, Mean]:
    """The workload's means with an interval and a count each; scores that it does not average are left out."""
    found = {}
    for name, mean in means.items():
        values = [value for case in cases if (value := case.get(name)) is not None]
        low, high = bootstrap_interval(values)
        found[name] = Mean(mean if values else None, low, high, len(values))
    return found


def bootstrap_interval(values: Sequence[float], seed: int = 0) -> tuple[float | None, float | None]:
    """Ends of the percentile bootstrap interval of the mean (Efron and Tibshirani 1993, chapter 13).

    (None, None) for fewer than two values: one says nothing about spread.
    """
    if len(values) < 2:
        return None, None
    from scipy import stats

    low, high = stats.bootstrap(
        (np.asarray(values, np.float64),),
        np.mean,
        n_resamples=NUM_RESAMPLES,
        batch=RESAMPLES_AT_ONCE,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(low), float(high)
