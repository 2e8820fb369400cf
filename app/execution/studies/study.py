"""Runs a study by its plan on Ray Tune; resumes where it stopped."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.console import say
from app.data import files
from app.data.store.ownership import held
from app.errors import DataError, UsageError
from app.execution.cluster import connection, host_checks
from app.execution.cluster.host_watch import HostWatch
from app.execution.studies.ledger import Ledger
from app.execution.studies.orders import Orders
from app.execution.studies.state import LeftOut, StudyState, is_left_out
from app.execution.studies.store_flags import UNNAMED, stores_of
from app.execution.trials.checks import check_order
from app.execution.trials.loggers import Loggers
from app.execution.trials.record import claim_stores
from app.experiment import Study
from app.planning.cost import CostModel
from app.planning.forecast import room_of
from app.planning.plan import Plan, check
from app.records import StudyRecord, TrialRecord
from app.training import choices
from app.training.order import Feeding, Measure


@dataclass(frozen=True)
class StudySetting:
    """Where and how a study runs."""

    folder: str
    stores: Mapping[str, str]
    """Prepared stores by name; the empty name is that of the one without."""
    feeding: Feeding | None = None
    """None: as cluster.default_feeding has it."""
    loggers: Loggers = field(default_factory=lambda: Loggers({}))
    numerics: str | None = None
    """Folder of another run of the study, whose choices of precision and memory layout are taken."""
    measure: Measure | None = None
    """Bounds of a study that is to measure what its trials take: how long each may."""
    left_out: LeftOut | None = None
    """Says which trials are no longer begun, for want of time."""


def run_study(study: Study, plan: Plan, setting: StudySetting, start_s: float | None = None) -> StudyRecord:
    """Run every trial that is not finished; what fails is recorded with its reason, and the others go on.

    Raises:
        UsageError: the plan does not fit the study.
        UsageError: the folder holds another study, or another process runs it.
        DataError: a store is not there.
        ResourceError: the cluster lacks what the plan needs, or a host of it the store, the runs or the versions.
    """
    start_s = start_s if start_s is not None else time.time()
    check(plan, study)
    stores = stores_of(study, setting.stores)
    for store in sorted(set(stores.values())):
        if not files.exists(store):
            raise DataError(f"{store} is not there: make the store first with jobs/prepare.py")
    ledger = Ledger(setting.folder)
    with held(setting.folder, "the study in"):
        ledger.claim(study, plan)
        read = {(e.store or UNNAMED, e.workload) for e in study.experiments}
        claim_stores(setting.folder, {e.store or UNNAMED: stores[e.name] for e in study.experiments}, read)
        finished = {e.name: record for e in study.experiments if (record := ledger.finished(e.name)) is not None}
        before = ledger.read_record()
        if before is not None and before.status == "finished" and _is_all(before, finished):
            say(f"{study.name}: already finished; skipped ({setting.folder})")
            return before
        _check_trials(study, plan, stores, ledger, finished)
        if setting.numerics is not None:
            choices.take_over(setting.numerics, setting.folder)
        slots = connection.connect(plan.num_workers)
        named = {path for experiment in study.experiments for path in host_checks.named_paths(experiment)}
        reads = [*stores.values(), *named]
        host_checks.check_hosts(reads, setting.folder)
        watch = None if connection.is_local() else HostWatch(setting.folder, reads)
        kind = connection.worker_kind(slots)
        state = StudyState(study, plan, finished, before, start_s, kind)
        return _run(state, ledger, stores, setting, start_s, watch)


def _check_trials(
    study: Study, plan: Plan, stores: Mapping[str, str], ledger: Ledger, finished: Mapping[str, TrialRecord]
) -> None:
    """Raises, before anything is started, what the inputs of a trial alone decide."""
    variants = study.variants()
    for stage in plan.stages:
        for name in stage.trials:
            for variant in variants[name] if name not in finished else ():
                try:
                    check_order(variant, stores[name], ledger.trial_folder(name), stage.workers_per_trial)
                except ValueError as error:
                    raise UsageError(f"{name}: {error}") from error


def _is_all(before: StudyRecord, finished: Mapping[str, TrialRecord]) -> bool:
    """Whether what a record says is finished is still there."""
    return all(
        (trial.status == "stopped" and not is_left_out(trial)) or trial.name in finished for trial in before.trials
    )


def _run(
    state: StudyState,
    ledger: Ledger,
    stores: Mapping[str, str],
    setting: StudySetting,
    start_s: float,
    watch: HostWatch | None,
) -> StudyRecord:
    use_gpu = state.worker_kind == "GPU"
    per_worker = {"CPU": 1.0, **({"GPU": 1.0} if use_gpu else {})}

    def feeding(num_workers: int) -> Feeding:
        return setting.feeding or connection.default_feeding(use_gpu, num_workers)

    connection.check_room(state.plan, per_worker, any(feeding(k) == "ray" for k in _widths(state)))
    from app.execution.studies.trials import StudyTrials

    orders = Orders(state, ledger, stores, per_worker, feeding, lambda: () if watch is None else watch.asked)
    orders.measure = setting.measure
    trials = StudyTrials(state, ledger, orders, per_worker, setting.loggers, start_s, watch)
    trials.left_out = setting.left_out
    if trials.widening.is_on and (profile := ledger.profile()) is not None:
        trials.widening.model = CostModel(profile)
        trials.widening.lacking = room_of(state.study, profile, state.plan.num_workers).lacking
    try:
        with trials.display:
            trials.complete_notes()
            trials.start_groups()
            from app.execution.studies.tuning import (
                run_trials,  # here: Tune takes seconds to import, and the groups to come up
            )

            run_trials(trials)
        return trials.note(ended=True)
    except BaseException:
        trials.groups.let_go()
        trials.note()
        raise


def _widths(state: StudyState) -> set[int]:
    """Workers that a trial may come to have."""
    widths = {stage.workers_per_trial for stage in state.plan.stages}
    scheduler = state.study.scheduler
    return widths | ({state.plan.num_workers} if scheduler is not None and scheduler.widen else set())
