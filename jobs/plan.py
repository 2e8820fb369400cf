"""Say what a study will take by each strategy, before it runs, and write the best as a plan for jobs/study.py.

What trainings cost comes from a profile, or from earlier runs: no cluster is needed.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.command_line import absolute
from app.run_folder.study import PLAN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.planning.forecast import Forecast
    from app.planning.profile import Profile
    from app.records import StudyRecord


@dataclass(frozen=True, kw_only=True)
class Arguments:
    study: str | None = None
    """JSON file of the study, as jobs/study.py takes it."""
    recipe: str | None = None
    """Name of a study of app/recipes/catalog.py, in place of a file."""
    options: tuple[str, ...] = ()
    """Of the recipe, as NAME=VALUE."""
    profile: str | None = None
    """File with what was measured."""
    profile_from: tuple[str, ...] = ()
    """Folders (or URLs) of finished runs and studies, in place of a profile: their times are taken."""
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
    out: str = PLAN.name
    """File of the chosen plan, for jobs/study.py --strategy plan:FILE."""


def main(arguments: Arguments) -> None:
    from study import read_study

    from app.console import say
    from app.data import files
    from app.planning.forecast import choose, forecasts

    study = read_study(arguments.study, arguments.recipe, arguments.options)
    profile = read_profile(arguments)
    if arguments.save_profile is not None:
        files.write_bytes_atomic(absolute(arguments.save_profile), profile.to_json().encode())
    found = [one for num_workers in arguments.workers for one in forecasts(study, profile, num_workers)]
    show(found, arguments.price_per_worker_hour)
    setting = profile.setting
    say(f"measured on {setting.device}, {setting.num_cores} cores ({len(profile.samples)} trainings)")
    if study.scheduler is not None:
        say(f"{study.scheduler.name} may stop trials early; the times are those of all their epochs")
    deadline_s = None if arguments.deadline_h is None else arguments.deadline_h * 3600
    chosen = choose(found, arguments.objective, deadline_s)
    out = absolute(arguments.out)
    files.write_bytes_atomic(out, chosen.plan.to_json().encode())
    say(f"chosen for least {arguments.objective}: {chosen.plan.strategy} on {chosen.plan.num_workers} workers")
    say(f"written: {out}; run it: jobs/study.py --strategy plan:{out} --workers {chosen.plan.num_workers}")


def read_profile(arguments: Arguments) -> "Profile":
    """Of a file, or of finished runs.

    Raises:
        ValueError: both or neither is given, or what is given is no profile.
        DataError: a file or folder is missing or damaged.
    """
    from functools import partial

    from app.configuration import from_dict
    from app.data import files
    from app.planning.profile import Profile, profile_of
    from app.records import StudyRecord, TrialRecord
    from app.run_folder import run, study
    from app.strict_json import parse_as, parse_mapping

    if (arguments.profile is None) == (not arguments.profile_from):
        raise ValueError("wanted --profile FILE or --profile-from FOLDER..., one of them")
    if arguments.profile is not None:
        path = absolute(arguments.profile)
        return parse_as(partial(from_dict, Profile), files.read_bytes(path), path)
    studies: list[StudyRecord] = []
    runs: list[TrialRecord] = []
    for given in arguments.profile_from:
        folder = absolute(given)
        path = run.RECORD.path(folder)
        if study.TRIALS in parse_mapping(files.read_bytes(path), path, any_number=True):
            studies.append(read_study_record(folder))
        else:
            runs.append(run.RECORD.read(folder))
    return profile_of(studies, runs)


def read_study_record(folder: str) -> "StudyRecord":
    """With the records of its trials, which lie in their own folders."""
    from dataclasses import replace

    from report import study_files

    from app.planning.search import study_of
    from app.reporting.study.study_files import read_study as read_run
    from app.run_folder.study import STUDY

    asked = {one.name: one for one in study_of(STUDY.read(folder)).experiments}
    record = read_run(folder, study_files(folder)).record
    trials = [
        replace(one, record=replace(one.record, experiment=asked[one.name].to_dict()))  # a record's has defaults filled
        if one.record is not None and one.name in asked
        else one
        for one in record.trials
    ]
    return replace(record, trials=tuple(trials))


def show(found: "Sequence[Forecast]", price_per_worker_hour: float | None) -> None:
    """The table of what each candidate takes."""
    from rich.table import Table

    from app.console import console

    table = Table("workers", "strategy", "time (h)", "80 % interval", "worker-hours")
    if price_per_worker_hour is not None:
        table.add_column("price")
    table.add_column("above bound")
    table.add_column("why")
    for one in found:
        price = [] if price_per_worker_hour is None else [f"{one.worker_hours * price_per_worker_hour:.2f}"]
        table.add_row(
            str(one.plan.num_workers),
            one.plan.strategy,
            f"{one.makespan_s / 3600:.3g}",
            f"{one.low_s / 3600:.3g} to {one.high_s / 3600:.3g}",
            f"{one.worker_hours:.3g}",
            *price,
            f"{one.above_bound:.0%}",
            one.plan.reasons[0],
        )
    console().print(table)


if __name__ == "__main__":
    from app.command_line import run

    run(Arguments, main)
