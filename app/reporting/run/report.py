"""The report on one training: a page that needs nothing beside itself, and the same facts as data."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from app.configuration import to_dict
from app.records import ScoreNames
from app.reporting.page.markup import Html, escape
from app.reporting.page.scores import ScoreTexts, merge_names
from app.reporting.page.shell import document, footer
from app.reporting.run import documents, run_files, sections
from app.reporting.run.documents import Documents
from app.reporting.run.heading import heading
from app.reporting.run.run_files import Epoch, Files, Problem, Run
from app.strict_json import DamagedFileError

MAX_PICTURES = 6
"""Shown; a picture weighs about 0.5 MB."""

Part = TypeVar("Part")


@dataclass(frozen=True)
class Report:
    html: str
    data: dict[str, Any]
    """For report.json."""


def build_report(
    name: str,
    files: Files,
    pictures: Files | None = None,
    counts: Mapping[str, int] | None = None,
    made: str = "",
    store: Mapping[str, Any] | None = None,
    names: ScoreNames = (),
) -> Report:
    """The report of the run `name`.

    Args:
        files: of the run's folder, by their names in it (run_files.is_wanted says which are used).
        pictures: PNGs by the name that they are shown under.
        counts: cases of the prepared store by split.
        made: when, as it should be shown.
        store: how the prepared store was made, by plain names.
        names: of scores, where the record has none.
    """
    run = read_run(name, files, pictures or {}, counts or {})
    told = merge_names([() if run.record is None else run.record.scores, names])
    run = replace(run, scores=ScoreTexts(told))
    found, problems = documents.read(files)
    run = replace(run, store=store or {}, problems=[*run.problems, *problems])
    return Report(page(run, made, found), data(run, made, found))


def read_run(name: str, files: Files, pictures: Files, counts: Mapping[str, int]) -> Run:
    """What can be understood of the files; the rest is in `problems`."""
    problems: list[Problem] = []

    def tried(read: Callable[[], Part], otherwise: Part) -> Part:
        try:
            return read()
        except DamagedFileError as error:
            problems.append(Problem(error.file, error.reason))
            return otherwise

    record = tried(lambda: run_files.read_record(files), None)
    config = tried(lambda: run_files.read_config(files), None)
    epochs: tuple[Epoch, ...] = tried(lambda: run_files.read_epochs(files), ())
    splits = run_files.evaluated_splits(files)
    evaluations = [tried(lambda s=split: run_files.read_evaluation(files, s), None) for split in splits]  # type: ignore[misc]
    shown = [tried(lambda n=n, c=c: run_files.read_picture(n, c), None) for n, c in sorted(pictures.items())]  # type: ignore[misc]
    return Run(
        name=name,
        record=record,
        config=config if config is not None or record is None else record.experiment,
        epochs=epochs,
        evaluations=[e for e in evaluations if e is not None and (e.means or e.cases)],
        pictures=[p for p in shown if p is not None],
        counts=counts,
        problems=problems,
    )


def page(run: Run, made: str, found: Documents) -> str:
    """The HTML."""
    parts = [heading(run), *(_problem(p) for p in run.problems)]
    if found != Documents():
        parts.append(Html(f'<p class="note">Further down: <a href="#{documents.FOLDER}">documents</a>.</p>'))
    parts += [sections.evaluation(found, run.scores) for found in run.evaluations]
    if run.pictures:
        shown = run.pictures[:MAX_PICTURES]
        parts.append(sections.pictures(shown, len(run.pictures) - len(shown)))
    if run.epochs:
        parts.append(sections.learning(run.epochs, best_epoch(run), run.scores))
    if run.record is not None:
        parts.append(sections.timings(run.record))
    if run.config is not None:
        parts.append(sections.what_was_run(run.config, run.record, run.counts, run.store))
    if found != Documents():
        parts.append(documents.documents(found))
    if run.record is not None:
        parts.append(sections.software(run.record))
    end = footer(made, "report job from the files of the run’s folder")
    return document(f"{run.name} – training report", *parts, end)


def data(run: Run, made: str, found: Documents) -> dict[str, Any]:
    """The page's numbers; pictures by name."""
    return {
        "name": run.name,
        "made": made,
        "record": None if run.record is None else to_dict(run.record),
        "epochs": [asdict(epoch) for epoch in run.epochs],
        "evaluations": {found.split: asdict(found) for found in run.evaluations},
        "cases": dict(run.counts),
        "store": dict(run.store),
        "pictures": [picture.name for picture in run.pictures],
        "documents": documents.data(found) if found != Documents() else None,
        "problems": [asdict(problem) for problem in run.problems],
    }


def best_epoch(run: Run) -> int | None:
    """The epoch whose weights are kept; None when the record does not say."""
    found = run.record.metrics.get("epoch") if run.record is not None else None
    return found if isinstance(found, int) else None


def _problem(problem: Problem) -> Html:
    message = f"{problem.file} could not be used, so what it holds is not shown: {problem.reason}"
    return Html(f'<p class="problem" role="note">{escape(message)}</p>')
