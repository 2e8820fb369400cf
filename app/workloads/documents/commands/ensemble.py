"""Image and text together, scored on what each run says of the pages of its partition."""

from app.command_line import absolute
from app.console import say
from app.data import files
from app.run_folder.run import ENSEMBLE
from app.workloads.declaration import Engine
from app.workloads.documents.commands.flags import WORKLOADS, EvaluateEnsemble
from app.workloads.documents.ensemble import runs as ensemble
from app.workloads.documents.scoring import CONVENTIONS


def evaluate(arguments: EvaluateEnsemble, engine: Engine) -> None:
    ensemble.check_pairs(arguments.image, arguments.text)
    files.check_folder(absolute(arguments.out))
    store, runs = absolute(arguments.store), [absolute(run) for run in (*arguments.image, *arguments.text)]
    missing = [
        (run, split) for run in runs for split in ("validation", "test") if not engine.is_evaluated(run, store, split)
    ]
    for run, split in missing:  # all of them before the first is scored
        engine.check_run(run, store, split, WORKLOADS)
    for run, split in missing:
        engine.evaluate(run, store, split, conventions=CONVENTIONS, workloads=WORKLOADS)
    summary = ensemble.ensemble_runs(
        [absolute(run) for run in arguments.image],
        [absolute(run) for run in arguments.text],
        absolute(arguments.store),
    )
    for line in ensemble.table(summary):
        say(line)
    ENSEMBLE.write(absolute(arguments.out), summary)
    say(f"written: {ENSEMBLE.path(absolute(arguments.out))}")
