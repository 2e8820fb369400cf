"""Measure what the trainings of a study take, for jobs/plan.py: a few dozen steps of each kind, alone and side by side.

Run again it measures what is new, or nothing.
"""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

import time
from dataclasses import dataclass
from typing import Literal

from app.command_line import absolute


@dataclass(frozen=True, kw_only=True)
class Arguments:
    study: str | None = None
    """JSON file of the study, as jobs/study.py takes it."""
    recipe: str | None = None
    """Name of a complete study (app/workloads/*/recipes.py), in place of a file."""
    options: tuple[str, ...] = ()
    """Options of the recipe, as NAME=VALUE."""
    store: tuple[str, ...]
    """Prepared store, made by jobs/prepare.py; NAME=DIR for each where experiments name several."""
    workers: int | None = None
    """Workers in all, one GPU or CPU core each; all there are if not given."""
    out: str = "profile.json"
    """File of the profile; what it holds already is not measured again."""
    feeding: Literal["auto", "worker", "ray"] = "auto"
    """Who reads samples, as in jobs/study.py."""


def main(arguments: Arguments) -> None:
    start_s = time.time()
    from study import read_study

    from app.console import say
    from app.data import files
    from app.errors import require
    from app.execution.cluster import connection
    from app.execution.studies.calibration import calibrated
    from app.execution.studies.store_flags import parse_stores, stores_of
    from app.planning.profile import Profile

    study = read_study(arguments.study, arguments.recipe, arguments.options)
    stores = {name: absolute(folder) for name, folder in parse_stores(arguments.store).items()}
    stores_of(study, stores)
    out = absolute(arguments.out)
    known = Profile.parse(files.read_bytes(out), out) if files.exists(out) else None
    num_workers = arguments.workers if arguments.workers is not None else connection.connect(1).total
    require(num_workers >= 1, "--workers", num_workers, "1 or more")
    feeding = None if arguments.feeding == "auto" else arguments.feeding
    profile = calibrated(study, stores, num_workers, f"{out}.measuring", known, feeding, start_s)
    files.write_bytes_atomic(out, profile.to_json().encode())
    say(f"measured on {profile.setting.device}, {profile.setting.num_cores} cores ({len(profile.samples)} trainings)")
    say(f"written: {out}; plan with it: jobs/plan.py --profile {out} --workers {num_workers}")


if __name__ == "__main__":
    from app.command_line import run

    run(Arguments, main)
