"""Scans into labels on their own grids, and a picture of each."""

import time

from app.command_line import absolute
from app.console import progress, say
from app.data.store.quarantine import Quarantined, write_quarantine
from app.errors import DataError
from app.workloads.brats.commands.flags import PredictBrats
from app.workloads.brats.inference.prediction import (
    plan_predictions,
    predict_case,
    summarize_ml,
    truth_line,
    written_codes,
)
from app.workloads.brats.source.label_choice import LabelOptions
from app.workloads.brats.source.label_names import parse_codes
from app.workloads.declaration import Engine
from app.workloads.volumes.scans.notes import grouped, write_notes


def predict(arguments: PredictBrats, engine: Engine) -> None:
    """Raises DataError when not one case could be segmented."""
    start_s = time.monotonic()
    model = absolute(arguments.model)
    if engine.open_model(model, "brats").task.spacing_mm is None:
        say(f"{arguments.model} says no voxel size of its training: every scan goes to the network as it is")
    out = absolute(str(arguments.out))
    truth = None if arguments.truth is None else absolute(arguments.truth)
    labels = LabelOptions(arguments.challenge, parse_codes(arguments.labels))
    inputs = [absolute(path) for path in arguments.input]
    tasks = plan_predictions(inputs, out, arguments.label_codes, truth, labels, arguments.allow_outside, say)
    if truth is not None:
        say(f"{arguments.truth}: {truth_line(tasks)}")
    bad, notes = [], {}
    with progress("predict", len(tasks)) as advance:
        for result in engine.map_with_model(model, predict_case, tasks, arguments.task_options(), inputs, out):
            if isinstance(result, Quarantined):
                bad.append(result)
                say(f"quarantined {result.id}: {result.file}: {result.reason}")
            else:
                say(f"{result.id}: {summarize_ml(result)}")
                if result.notes:
                    notes[result.id] = result.notes
            advance(1, result.id)
    for line in grouped(notes):
        say(line)
    write_quarantine(out, bad)
    write_notes(out, notes)
    num_good = len(tasks) - len(bad)
    if num_good == 0:
        raise DataError(f"none of {len(tasks)} cases could be segmented; the first: {bad[0].file}: {bad[0].reason}")
    say(
        f"{arguments.out}: {num_good} cases segmented, {len(bad)} quarantined, {time.monotonic() - start_s:.1f} s; "
        f"labels: {written_codes(tasks)}"
    )
