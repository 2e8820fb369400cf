"""Which files make a case, and the store made of them."""

from typing import Any

from app.command_line import absolute
from app.console import progress, say
from app.data import files
from app.data.store.quarantine import Quarantined, say_bad
from app.errors import DataError
from app.workloads.declaration import Engine
from app.workloads.volumes.source.case_files import CaseFiles, distinct, stem_of
from app.workloads.volumes.source.patients import SplitOptions
from app.workloads.volumes.store.build_store import finish_store, plan_cases
from app.workloads.volumes.store.prepare import prepare_or_keep
from hippocampus.declaration import PrepareHippocampus
from hippocampus.task import CODES, HIPPOCAMPUS


def prepare(arguments: PrepareHippocampus, engine: Engine) -> None:
    source, store = absolute(arguments.source), absolute(arguments.store)
    cases = find_cases(source)
    split = SplitOptions("seeded", arguments.seed)
    tasks = plan_cases("hippocampus", HIPPOCAMPUS, cases, "msd", CODES, store, split, say=say)
    results: list[Any] = []
    num_bad = 0
    with progress("prepare", len(tasks)) as advance:
        for result in engine.run_cases(prepare_or_keep, tasks, "prepare", lambda _: 1, [source], store):
            if isinstance(result, Quarantined):
                say_bad([result], num_bad)
                num_bad += 1
            results.append(result)
            advance(1, "")
    good = finish_store(store, results, arguments.max_bad_fraction)
    say(f"{arguments.store}: {len(good)} cases, {num_bad} quarantined")


def find_cases(source: str) -> list[CaseFiles]:
    """The labelled cases that dataset.json lists.

    Raises:
        DataError: there is none, or its labels are not those of Task04.
    """
    facts = files.read_json(files.join(source, "dataset.json"))
    named = {int(code): name.lower() for code, name in facts["labels"].items()}
    if named != CODES:
        raise DataError(f"{source}/dataset.json names the labels {named}, expected {CODES}")
    listed = [(files.join(source, pair["image"]), files.join(source, pair["label"])) for pair in facts["training"]]
    return distinct([CaseFiles(stem_of(image), (image,), label) for image, label in listed])
