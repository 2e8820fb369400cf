"""Say what a study will take by each strategy, before it runs, and write the best as a plan for jobs/study.py.

What trainings cost comes from a profile, or from earlier runs: no cluster is needed.
"""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.command_line import absolute
from app.errors import UsageError
from app.run_folder.study import PLAN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from app.experiment import Experiment, Study
    from app.planning.beside import HeadStart
    from app.planning.forecast import Forecast
    from app.planning.measured import Asked
    from app.planning.play import Plays
    from app.planning.profile import Profile
    from app.records import StudyRecord, TrialRecord

NUM_PLAYS = 20
"""Plays of a scheduler's rule and a search's values, of which the beginnings of trials are means."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    study: str | None = None
    """JSON file of the study, as jobs/study.py takes it."""
    recipe: str | None = None
    """Name of a complete study (app/workloads/*/recipes.py), in place of a file."""
    options: tuple[str, ...] = ()
    """Options of the recipe, as NAME=VALUE."""
    profile: str | None = None
    """File with what was measured."""
    profile_from: tuple[str, ...] = ()
    """Folders (or URLs) of finished runs and studies, in place of a profile: their times are taken."""
    store: str | None = None
    """Prepared store of the study, for a profile of single runs: their records have defaults and the store's facts
    filled in, so the study's tasks need them too. Not needed while the store of such a run is still there."""
    save_profile: str | None = None
    """File to write the profile of those runs to."""
    workers: tuple[int, ...]
    """Numbers of workers to plan for."""
    price_per_worker_hour: float | None = None
    """In any currency: the table then has what each plan costs."""
    deadline_h: float | None = None
    """Hours: only plans whose 80 % interval ends before are chosen from."""
    objective: Literal["time", "cost"] = "time"
    """What the chosen plan has least of: time, or worker-hours."""
    failures_per_worker_day: float | None = None
    """How often a worker is lost, spot machines' for example: says how often to write checkpoints."""
    job_limit_h: float | None = None
    """Hours after which a queue (SLURM's --time) ends a job: says how many jobs of the same command it takes."""
    beside: tuple[str, ...] = ()
    """Work on the CPUs that GPU training leaves free, and the trials that wait for it: NAME=AMOUNT@RATE:TRIALS, as
    ocr=40000@1.9:text-*, pages and pages a second of one core. What waits goes last; several run in turn."""
    beside_cores: int | None = None
    """Cores for that work; all that training leaves free if not given."""
    out: str = PLAN.name
    """File of the chosen plan, for jobs/study.py --strategy plan:FILE."""
    page: str | None = None
    """HTML file to write: the table, who would do what when, and what more workers would bring."""


def main(arguments: Arguments) -> None:
    from study import read_study

    from app.console import say
    from app.data import files
    from app.planning.cost import CostModel
    from app.planning.forecast import choose, fitting, forecasts
    from app.planning.play import Plays
    from app.reporting.page.formatting import plural
    from app.reporting.plan.advice import beside_lines, checkpoint_line, jobs_line, told

    check(arguments)
    study = read_study(arguments.study, arguments.recipe, arguments.options)
    profile, known_stores = read_profile(arguments)
    if arguments.save_profile is not None:
        files.write_bytes_atomic(absolute(arguments.save_profile), profile.to_json().encode())
    store = next(filter(files.exists, known_stores), None) if arguments.store is None else absolute(arguments.store)
    if store is not None:
        study = resolved(study, profile, store)
    plays = Plays(study, CostModel(profile))
    works = Works(arguments, plays, profile)
    found = [
        works.after(one)
        for num_workers in arguments.workers
        for one in forecasts(study, profile, num_workers, waiting=works.waiting)
    ]
    show(found, arguments.price_per_worker_hour)
    for num_workers in arguments.workers:
        for line in fitting(study, profile, num_workers)[1].lines():
            say(line)
    setting = profile.setting
    beside = f", beside other work on {profile.busy_cores:.1f} of them" if profile.busy_cores > 0.3 else ""
    say(f"measured on {setting.device}, {setting.num_cores} cores{beside} ({len(profile.samples)} trainings)")
    for line in told(plays):
        say(line)
    deadline_s = None if arguments.deadline_h is None else arguments.deadline_h * 3600
    chosen = choose(found, arguments.objective, deadline_s)
    out = absolute(arguments.out)
    files.write_bytes_atomic(out, chosen.plan.to_json().encode())
    workers = plural(chosen.plan.num_workers, "worker")
    say(f"chosen for least {arguments.objective}: {chosen.plan.strategy} on {workers}")
    for line in beside_lines(works.starts(chosen), works.cores(chosen)):
        say(line)
    if arguments.failures_per_worker_day is not None:
        say(checkpoint_line(profile, plays, chosen, arguments.failures_per_worker_day))
    if arguments.job_limit_h is not None:
        say(jobs_line(plays, chosen, arguments.job_limit_h))
    if arguments.page is not None:
        write_page(
            absolute(arguments.page), plays, found, chosen, arguments.price_per_worker_hour, works.starts(chosen)
        )
    say(f"written: {out}; run it: jobs/study.py --strategy plan:{out} --workers {chosen.plan.num_workers}")


def check(arguments: Arguments) -> None:
    """Raises UsageError for a flag that no plan could satisfy."""
    import math

    from app.errors import require

    price, deadline = arguments.price_per_worker_hour, arguments.deadline_h
    failures, limit = arguments.failures_per_worker_day, arguments.job_limit_h
    require(limit is None or 0 < limit < math.inf, "--job-limit-h", limit, "more than 0")
    require(price is None or 0 <= price < math.inf, "--price-per-worker-hour", price, "0 or more")
    require(deadline is None or deadline > 0, "--deadline-h", deadline, "more than 0")
    require(failures is None or 0 < failures < math.inf, "--failures-per-worker-day", failures, "more than 0")
    require(all(number >= 1 for number in arguments.workers), "--workers", [*arguments.workers], "1 or more each")


def read_profile(arguments: Arguments) -> "tuple[Profile, list[str]]":
    """Read the profile from a file, or from finished runs, and with these the stores of the single ones among them.

    Raises:
        UsageError: both or neither is given, or what is given is not a profile.
        DataError: a file or folder is missing or damaged.
    """
    from app.data import files
    from app.planning.measured import profile_of
    from app.planning.profile import Profile

    if (arguments.profile is None) == (not arguments.profile_from):
        raise UsageError("expected --profile FILE or --profile-from FOLDER..., one of them")
    if arguments.profile is not None:
        path = absolute(arguments.profile)
        return Profile.parse(files.read_bytes(path), path), []
    studies, runs = read_runs([absolute(folder) for folder in arguments.profile_from])
    return profile_of(studies, runs), [record.store for record in runs]


class Works:
    """The work beside the study that was asked for, if any."""

    def __init__(self, arguments: Arguments, plays: "Plays", profile: "Profile") -> None:
        from app.errors import require
        from app.planning.beside import Beside

        self._works = [Beside.parse(text) for text in arguments.beside]
        self._plays, self._profile, self._cores = plays, profile, arguments.beside_cores
        require(self._cores is None or self._cores >= 1, "--beside-cores", self._cores, "1 or more")
        self.waiting = {name for work in self._works for name in work.waiting(plays.study)}

    def cores(self, one: "Forecast") -> int:
        from app.planning.beside import free_cores

        return self._cores or (free_cores(self._profile, one.plan.num_workers) if self._works else 0)

    def starts(self, one: "Forecast") -> "list[HeadStart]":
        from app.planning.beside import head_starts
        from app.planning.schedule import expected_of

        if not self._works:
            return []
        plays = self._plays
        works = [plays.drawn(seed) for seed in range(NUM_PLAYS)] if plays.varies else [plays.typical()]
        starts_s: dict[str, float] = {}
        for some in works:
            for trial in expected_of(plays, one.plan, some).trials:
                starts_s[trial.name] = starts_s.get(trial.name, 0.0) + (trial.start_s or 0.0) / len(works)
        return head_starts(self._works, self._plays.study, one.plan, starts_s, self.cores(one))

    def after(self, one: "Forecast") -> "Forecast":
        """With the head start that the work needs."""
        return one.after(max((start.before_s for start in self.starts(one)), default=0.0))


def write_page(
    path: str,
    plays: "Plays",
    found: "Sequence[Forecast]",
    chosen: "Forecast",
    price: float | None,
    beside: "Sequence[HeadStart]" = (),
) -> None:
    import time

    from app.console import say
    from app.data import files
    from app.planning.schedule import expected_of
    from app.reporting.plan.page import plan_page

    expected = expected_of(plays, chosen.plan, plays.drawn(0))
    made = time.strftime("%Y-%m-%d %H:%M")
    page = plan_page(found, chosen, expected, price, made, plays.varies, beside)
    files.write_bytes_atomic(path, page.encode())
    say(f"written: {path}")


def resolved(study: "Study", profile: "Profile", store: str) -> "Study":
    """With the tasks that the profile does not know as the study has them filled in by the store."""
    from dataclasses import replace

    from app.configuration import to_dict
    from app.planning.cost import CostModel
    from app.workloads.registry import find_check

    model = CostModel(profile)

    def known(experiment: "Experiment") -> "Experiment":
        if model.knows(experiment):
            return experiment
        return replace(experiment, task=to_dict(find_check(experiment.workload)(experiment.task, store)))

    return replace(study, experiments=tuple(known(experiment) for experiment in study.experiments))


def read_runs(folders: "Sequence[str]") -> "tuple[list[tuple[StudyRecord, Asked]], list[TrialRecord]]":
    """Those that are studies, with their experiments as they were asked for, and those that are single runs.

    Raises:
        DataError: a folder has no record, or a damaged one.
    """
    from app.data import files
    from app.run_folder import run, study
    from app.strict_json import parse_mapping

    studies, runs = [], []
    for folder in folders:
        path = run.RECORD.path(folder)
        if study.TRIALS in parse_mapping(files.read_bytes(path), path, any_number=True):
            studies.append(read_study_record(folder))
        else:
            runs.append(run.RECORD.read(folder))
    return studies, runs


def read_study_record(folder: str) -> "tuple[StudyRecord, Asked]":
    """With the records of its trials, which lie in their own folders; and what was asked for, by name, with what its
    search chose."""
    from report import study_files

    from app.data import files
    from app.planning.search import study_of
    from app.reporting.study.study_files import read_study as read_run
    from app.run_folder.study import STUDY, SUGGESTED, TRIALS

    def chosen(name: str) -> "Mapping[str, Any]":
        found = SUGGESTED.find(files.join(folder, TRIALS, name))
        return {} if found is None else found.values

    asked = {one.name: one.with_values(chosen(one.name)) for one in study_of(STUDY.read(folder)).experiments}
    return read_run(folder, study_files(folder)).record, asked


def show(found: "Sequence[Forecast]", price_per_worker_hour: float | None) -> None:
    """The table of what each candidate takes."""
    from rich.table import Table

    from app.console import console, plain
    from app.reporting.page.formatting import duration

    priced = [] if price_per_worker_hour is None else ["price"]
    table = Table("workers", "strategy", "time", "80 % interval", "worker-hours", *priced, "above bound", "why")
    for one in found:
        price = [] if price_per_worker_hour is None else [f"{one.worker_hours * price_per_worker_hour:.2f}"]
        cells = (
            *(str(one.plan.num_workers), one.plan.strategy, duration(one.makespan_s)),
            *(f"{duration(one.low_s)} to {duration(one.high_s)}", f"{one.worker_hours:.3g}", *price),
            *(f"{one.above_bound:.0%}", one.plan.reasons[0]),
        )
        table.add_row(*map(plain, cells))
    console().print(table)


if __name__ == "__main__":
    from app.command_line import run

    run(Arguments, main)
