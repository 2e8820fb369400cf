"""Write the report of one training (--run), or of a study under one strategy or several (--study): report.html, a page
that needs nothing beside itself, and report.json."""

from app import stopping

if __name__ == "__main__":
    stopping.listen_while_loading()

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.command_line import absolute

if TYPE_CHECKING:
    from app.records import ScoreNames
    from app.reporting.run.report import Report


@dataclass(frozen=True)
class Args:
    run: str | None = None
    """Folder (or URL) of a training, as jobs/train.py made it."""
    study: tuple[str, ...] = ()
    """Folders (or URLs) of runs of one study, as jobs/study.py made them; best each under another strategy."""
    predictions: str | None = None
    """Folder with pictures that jobs/predict.py drew; RUN/predictions if not given and there."""
    out: str | None = None
    """The page to write; report.html in the folder of the run, or of the first study, if not given."""
    price_per_hour: float | None = None
    """Price of one worker (a GPU, or a CPU slot), in any currency: the report then shows what each strategy cost."""
    tolerance: float | None = None
    """Difference of a score between 0 and 1, or share of a loss, that counts as none; 0.01 if not given."""


def main(arguments: Args) -> None:
    from app.console import say
    from app.data import files

    check(arguments)
    folder = absolute(arguments.run or arguments.study[0])
    page = absolute(arguments.out) if arguments.out else files.join(folder, "report.html")
    made = time.strftime("on %d %B %Y at %H:%M %Z").replace(" 0", " ")
    report = study_report(arguments, made) if arguments.study else run_report(folder, arguments.predictions, made)
    files.write_bytes_atomic(page, report.html.encode())
    files.write_json(str(page).removesuffix(".html") + ".json", report.data)
    for problem in [p for part in (report.data, *report.data.get("runs", ())) for p in part.get("problems", ())]:
        say(f"left out: {problem['file']}: {problem['reason']}")
    say(f"{page}: {len(report.html.encode())} bytes")


def check(arguments: Args) -> None:
    """Raises UsageError when the flags do not go together."""
    from app.errors import UsageError

    if bool(arguments.study) == (arguments.run is not None):
        both = "got both" if arguments.study else "got neither"
        raise UsageError(f"--run, --study: {both}, expected the folder of one training or those of one study")
    if arguments.study and arguments.predictions is not None:
        raise UsageError("--predictions: a study's report shows no pictures; give --run with the folder of one trial")
    of_studies = {"--price-per-hour": arguments.price_per_hour, "--tolerance": arguments.tolerance}
    for name, value in of_studies.items():
        if value is not None and arguments.run is not None:
            raise UsageError(f"{name} belongs to --study; the report of one training has no use for it")
        if value is not None and not 0 <= value < float("inf"):
            raise UsageError(f"{name}: got {value}, expected 0 or more")
    repeated = {path for path in arguments.study if [absolute(p) for p in arguments.study].count(absolute(path)) > 1}
    if repeated:
        raise UsageError(f"--study: {sorted(repeated)[0]} is given more than once")


def run_report(run: str, predictions: str | None, made: str) -> "Report":
    """The report on one training."""
    from app.data import files
    from app.reporting.run.report import build_report

    found = run_files(run)
    pictures = prediction_pictures(run, predictions)
    names = score_names()
    return build_report(files.name_of(run), found, pictures, case_counts(found), made, store_facts(found), names)


def study_report(arguments: Args, made: str) -> "Report":
    """The report on one study, run once or more."""
    from app.reporting.study.report import TOLERANCE, build_study_report

    tolerance = TOLERANCE if arguments.tolerance is None else arguments.tolerance
    folders = {path: study_files(absolute(path)) for path in arguments.study}
    return build_study_report(folders, tolerance, arguments.price_per_hour, made, score_names())


def score_names() -> "ScoreNames":
    """Names of the scores of all workloads of the table: for runs that have no record, or one that is older than names
    in records."""
    from app.workloads.registry import WORKLOADS, find_declaration

    declared = [find_declaration(name) for name in WORKLOADS]
    return tuple(family for one in declared if one is not None for family in one.scores)


def study_files(folder: str) -> dict[str, bytes]:
    """What a report uses of a study's folder.

    Raises:
        DataError: the folder is missing.
    """
    from app.data import files
    from app.reporting.study.study_files import is_wanted

    root = folder.rstrip("/") + "/"
    names = [path.removeprefix(root) for path in files.list_files(folder)]
    return {name: files.read_bytes(files.join(folder, name)) for name in names if is_wanted(name)}


def run_files(run: str) -> dict[str, bytes]:
    """What a report uses of a run's folder.

    Raises:
        DataError: the folder is missing or is not a run's.
    """
    from app.data import files
    from app.errors import DataError
    from app.reporting.run.run_files import is_wanted

    root = run.rstrip("/") + "/"
    names = [path.removeprefix(root) for path in files.list_files(run)]
    found = {name: files.read_bytes(files.join(run, name)) for name in names if is_wanted(name)}
    if not found:
        raise DataError(f"{run} holds no run (no configuration, no metrics): expected a folder RUNS/NAME")
    return found


def prediction_pictures(run: str, folder: str | None) -> dict[str, bytes]:
    """PNGs by the names of their cases."""
    from app.data import files
    from app.run_folder.run import PREDICTIONS

    where = absolute(folder) if folder else files.join(run, PREDICTIONS)
    if folder is None and not files.exists(where):
        return {}
    paths = [path for path in files.list_files(where) if path.endswith(".png")]
    return {files.name_of(path).removesuffix(".png"): files.read_bytes(path) for path in paths}


def case_counts(found: dict[str, bytes]) -> dict[str, int]:
    """Cases of the store by split; empty where the run does not say which store, or it is gone since."""
    from app.data.samples.splits import SPLITS, UNLABELLED
    from app.data.store.manifest import read_manifest_table
    from app.errors import DataError, UsageError
    from app.reporting.run.run_files import read_record
    from app.workloads.registry import find_num_cases

    try:
        record = read_record(found)
        if record is None:
            return {}
        if (counted := find_num_cases(str(record.experiment.get("workload")))) is not None:
            return counted(record.experiment.get("task", {}), record.store)
        counts = Counter(read_manifest_table(record.store)["split"].to_pylist())
    except (DataError, UsageError):
        return {}
    return {split: counts[split] for split in (*SPLITS, UNLABELLED) if split in counts}


def store_facts(found: dict[str, bytes]) -> dict[str, Any]:
    """How the store was made, as its store.json says, and its patients by split; empty where it is gone since."""
    from app.data.store.manifest import read_claim, read_manifest_table
    from app.errors import DataError
    from app.reporting.run.run_files import read_record

    try:
        record = read_record(found)
        if record is None:
            return {}
        facts = read_claim(record.store)
        table = read_manifest_table(record.store)
    except DataError:
        return {}
    left_out = ("workload", "format", "classes")
    known = {name: value for name, value in facts.items() if name not in left_out and value is not None}
    if "patient" in table.column_names:
        pairs = set(zip(table["split"].to_pylist(), table["patient"].to_pylist(), strict=True))
        known["patients_by_split"] = dict(sorted(Counter(split for split, _ in pairs).items()))
    return known


if __name__ == "__main__":
    from app.command_line import run

    run(Args, main)
