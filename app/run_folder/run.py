"""The files of one training's folder: RUNS/NAME, or STUDY/trials/NAME."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from app.configuration import from_dict
from app.records import Span, TrialRecord
from app.run_folder.cases import CasesFile
from app.run_folder.contents import (
    Attempt,
    Evaluation,
    FailureNote,
    LoggerRun,
    Status,
    StoreClaim,
    epoch_line,
    origin,
    step_line,
)
from app.run_folder.kinds import JsonFile, JsonLines
from app.strict_json import mapping


def _stores(value: Any) -> dict[str, StoreClaim]:
    return {name: from_dict(StoreClaim, claim, name) for name, claim in mapping(value).items()}


def _status(value: Any) -> dict[str, Any]:
    from_dict(Status, value)
    return dict(value)


CONFIG: JsonFile[Mapping[str, Any]] = JsonFile("config.json", mapping)
"""The experiment as requested; one that an older version wrote may have other options."""
RECORD = JsonFile("record.json", partial(from_dict, TrialRecord), is_sealed=True, any_number=True)
"""What a finished training took and reached: what else there is, is only of interest beside it."""
FAILURE = JsonFile("failure.json", partial(from_dict, FailureNote))
STATUS = JsonFile("status.json", _status, any_number=True)
ORIGIN = JsonFile("origin.json", origin)
STORES = JsonFile("stores.json", _stores)
"""The stores that a run or a study was begun on, by name."""
ATTEMPTS = JsonLines("attempts.jsonl", partial(from_dict, Attempt))
SPANS = JsonLines("spans.jsonl", partial(from_dict, Span))
"""Where the time went, all attempts one after the other; no line is dropped on opening."""
METRICS = JsonLines("metrics.jsonl", epoch_line, any_number=True)
STEPS = JsonLines("steps.jsonl", step_line, any_number=True)
MLFLOW = JsonFile("mlflow.json", partial(from_dict, LoggerRun))
WANDB = JsonFile("wandb.json", partial(from_dict, LoggerRun))

CHECKPOINTS = "checkpoint"
"""Folder of LAST and BEST; app.training.checkpoint reads and writes them."""
LAST, BEST = "last.pt", "best.pt"
TENSORBOARD = "tensorboard"

EVALUATIONS = "evaluation"
"""Folder of a folder for each split, with these two."""
SUMMARY = JsonFile("summary.json", partial(from_dict, Evaluation))
CASES = CasesFile("cases.csv")

DOCUMENTS = "documents"
"""Folder of what is made of image and text together: the records of their trainings, and these."""
ENSEMBLE: JsonFile[dict[str, Any]] = JsonFile("ensemble.json", mapping)
PREDICTIONS = "predictions"
SHEET: JsonFile[dict[str, Any]] = JsonFile("sheet.json", mapping)
"""The pages of sheet.html (app.reporting.run.page_sheet)."""
ABOUT: JsonFile[dict[str, Any]] = JsonFile("about.json", mapping)
"""With what the pages were read and classified."""

EXPORT: JsonFile[dict[str, Any]] = JsonFile("model.json", mapping, is_sealed=True)
"""Describes an exported model, beside its weights."""
EXPORTED_WEIGHTS = "weights.pt"
