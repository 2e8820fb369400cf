"""Say what a study will take by each strategy, before it runs, and write the best as a plan for jobs/study.py.

What trainings cost comes from a profile, or from earlier runs: no cluster is needed.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.command_line import absolute

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
    """Options of the recipe, as NAME=VALUE."""
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
    out: str = "plan.json"
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
    """Read the profile from a file, or from finished runs.

    Raises:
        ValueError: both or neither is given, or what is given is not a profile.
        DataError: a file or folder is missing or damaged.
    """
    from app.data import files
    from app.planning.profile import Profile, profile_of
    from app.records import StudyRecord, TrialRecord

    if (arguments.profile is None) == (not arguments.profile_from):
        raise ValueError("expected --profile FILE or --profile-from FOLDER..., one of them")
    if arguments.profile is not None:
        return Profile.from_json(files.read_bytes(absolute(arguments.profile)).decode())
    studies: list[StudyRecord] = []
    runs: list[TrialRecord] = []
    for given in arguments.profile_from:
        folder = absolute(given)
        values = files.read_json(files.join(folder, "record.json"))
        try:
            if "trials" in values:
                studies.append(read_study_record(folder))
            else:
                runs.append(TrialRecord.from_json(files.read_bytes(files.join(folder, "record.json")).decode()))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{folder}/record.json is damaged, or no run's: {error}") from error
    return profile_of(studies, runs)


def read_study_record(folder: str) -> "StudyRecord":
    """With the records of its trials, which lie in their own folders."""
    from dataclasses import replace

    from report import study_files

    from app.data import files
    from app.planning.search import study_of
    from app.reporting.study.study_files import read_study as read_run

    asked = {one.name: one for one in study_of(files.read_json(files.join(folder, "study.json"))).experiments}
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
