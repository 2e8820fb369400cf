"""Write the report of a run: RUN/report.html, a page that needs nothing beside itself, and report.json."""

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Args:
    run: str
    """Folder (or URL) of the run, as jobs/train.py made it."""
    predictions: str | None = None
    """Folder with pictures that jobs/predict.py drew; RUN/predictions if not given and there."""
    out: str | None = None
    """The page to write; RUN/report.html if not given."""


def main(arguments: Args) -> None:
    from app.console import say
    from app.data import files
    from app.reporting.report import build_report

    run = absolute(arguments.run)
    page = absolute(arguments.out) if arguments.out else files.join(run, "report.html")
    found = run_files(run)
    pictures = prediction_pictures(run, arguments.predictions)
    made = time.strftime("on %d %B %Y at %H:%M %Z").replace(" 0", " ")
    report = build_report(files.name_of(run), found, pictures, case_counts(found), made)
    files.write_bytes_atomic(page, report.html.encode())
    files.write_json(str(page).removesuffix(".html") + ".json", report.data)
    for problem in report.data["problems"]:
        say(f"left out: {problem['file']}: {problem['reason']}")
    say(f"{page}: {len(report.html.encode())} bytes")


def run_files(run: str) -> dict[str, bytes]:
    """What a report uses of a run's folder.

    Raises:
        DataError: the folder is missing or is not a run's.
    """
    from app.data import files
    from app.errors import DataError
    from app.reporting.run_files import is_wanted

    root = run.rstrip("/") + "/"
    names = [path.removeprefix(root) for path in files.list_files(run)]
    found = {name: files.read_bytes(files.join(run, name)) for name in names if is_wanted(name)}
    if not found:
        raise DataError(f"{run} holds no run (no config.json, no metrics.jsonl): wanted a folder RUNS/NAME")
    return found


def prediction_pictures(run: str, folder: str | None) -> dict[str, bytes]:
    """PNGs by the names of their cases."""
    from app.data import files

    where = absolute(folder) if folder else files.join(run, "predictions")
    if folder is None and not files.exists(where):
        return {}
    paths = [path for path in files.list_files(where) if path.endswith(".png")]
    return {files.name_of(path).removesuffix(".png"): files.read_bytes(path) for path in paths}


def case_counts(found: dict[str, bytes]) -> dict[str, int]:
    """Cases of the store by split; empty where the run does not say which store, or it is gone since."""
    from app.data.manifest import read_manifest
    from app.data.splits import SPLITS, UNLABELLED
    from app.errors import DataError
    from app.reporting.run_files import DamagedFileError, read_record

    try:
        record = read_record(found)
        rows = read_manifest(record.store) if record is not None else []
    except (DamagedFileError, DataError):
        return {}
    splits = [row["split"] for row in rows]
    return {split: splits.count(split) for split in (*SPLITS, UNLABELLED) if split in splits}


def absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).resolve())


if __name__ == "__main__":
    from app.command_line import run

    run(Args, main)
