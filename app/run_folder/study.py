"""The files of a study's folder: RUNS/STUDY, with a run's folder for each of its trials."""

from functools import partial

from app.configuration import from_dict
from app.data import files
from app.planning.plan import Plan
from app.records import StudyRecord
from app.run_folder.contents import Decisions, Stop, Suggested
from app.run_folder.kinds import JsonFile
from app.strict_json import mapping

STUDY = JsonFile("study.json", mapping)
"""The study as requested, its search written out; one that an older version wrote may have other options."""
PLAN = JsonFile("plan.json", partial(from_dict, Plan))
RECORD = JsonFile("record.json", partial(from_dict, StudyRecord), is_sealed=True, any_number=True, indent=None)
POPULATION = JsonFile("population.json", partial(from_dict, Decisions))
PROFILE_FILE = "profile.json"
"""What was measured for the study's plan (app.planning.profile)."""
NUMERICS = "numerics"
"""Folder of the choices that all trials share; app.training.choices reads and writes them."""

TRIALS = "trials"
STOPPED = JsonFile("stopped.json", partial(from_dict, Stop))
"""In the folder of a trial that a scheduler ended early."""
SUGGESTED = JsonFile("suggested.json", partial(from_dict, Suggested), keeps_passwords=True)
"""In the folder of a trial whose values a search chose when it began."""


def trial_folder(folder: str, name: str) -> str:
    return files.join(folder, TRIALS, name)
