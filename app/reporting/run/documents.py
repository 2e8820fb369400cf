"""The part of a report on classified documents: image, text and both in comparison, and pages as thumbnails.

Reads what jobs/evaluate.py documents-ensemble, jobs/train.py and jobs/predict.py documents leave in RUN/documents.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from app.configuration import from_dict
from app.records import TrialRecord
from app.reporting.page import charts, formatting
from app.reporting.page.markup import Column, Html, figure, join, paragraph, row, section, table, text
from app.reporting.run.page_sheet import SheetPage, by_doubt, describe, read_sheet, thumbnails
from app.reporting.run.run_files import Files, Problem
from app.run_folder import run
from app.strict_json import DamagedFileError, mapping

FOLDER = run.DOCUMENTS
ENSEMBLE = f"{FOLDER}/{run.ENSEMBLE.name}"
SHEET = f"{FOLDER}/{run.PREDICTIONS}/{run.SHEET.name}"

MAX_THUMBNAILS = 24
Part = TypeVar("Part")
METHODS: Mapping[str, tuple[str, str]] = {
    "image": ("image", "the page's image alone"),
    "text": ("text", "its text, read by OCR, alone"),
    "average": ("average", "mean of both probabilities"),
    "weighted": ("weighted", "mean with a weight learned on the validation pages"),
    "stacking": ("stacking", "logistic regression on both, learned on the validation pages"),
}
"""Name and meaning; a method that is not here is shown by its own name."""


@dataclass(frozen=True)
class Method:
    """Mean over the partitions."""

    name: str
    accuracy: float
    low: float
    high: float
    """Ends of the interval."""
    values: tuple[float, ...]
    """One value for each partition."""
    std: float | None = None
    """Standard deviation over the partitions."""


@dataclass(frozen=True)
class Against:
    """One method less another."""

    method: str
    other: str
    difference: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class Ensemble:
    methods: tuple[Method, ...]
    comparisons: tuple[Against, ...]
    num_pages: tuple[int, ...]
    """Test pages of each partition."""
    chance: float | None = None
    """Accuracy of always naming the most frequent class."""
    interval: str = ""
    """How the intervals were made."""


@dataclass(frozen=True)
class Documents:
    """What is known; what is missing is None or empty."""

    ensemble: Ensemble | None = None
    records: tuple[TrialRecord, ...] = ()
    """The records of the trainings."""
    pages: tuple[SheetPage, ...] = ()


def read(files: Files) -> tuple[Documents, list[Problem]]:
    """What can be understood of the files, and which cannot."""
    problems: list[Problem] = []

    def tried(read_part: Callable[[Files], Part], otherwise: Part) -> Part:
        try:
            return read_part(files)
        except DamagedFileError as error:
            problems.append(Problem(error.file, error.reason))
            return otherwise

    nothing = Documents()
    ensemble = tried(read_ensemble, nothing.ensemble)
    records, pages = tried(read_records, nothing.records), tried(read_pages, nothing.pages)
    return Documents(ensemble, records, pages), problems


def data(found: Documents) -> dict[str, Any]:
    """The section's numbers; pages by name and class."""
    return {
        "ensemble": None if found.ensemble is None else asdict(found.ensemble),
        "trainings": [record.name for record in found.records],
        "pages": [{"name": p.name, "predicted": p.predicted, "doubt": p.doubt, "truth": p.truth} for p in found.pages],
    }


def read_ensemble(files: Files) -> Ensemble | None:
    """Raises DamagedFileError."""
    if ENSEMBLE not in files:
        return None
    content = run.ENSEMBLE.parse(files[ENSEMBLE], ENSEMBLE)
    try:
        return _ensemble(content)
    except ValueError as error:
        raise DamagedFileError(ENSEMBLE, f"no comparison of image and text: {error}") from error


def _ensemble(content: Mapping[str, Any]) -> Ensemble:
    """The part of the file that is shown. Raises UsageError."""
    methods = [
        {"name": name, "accuracy": of.get("mean"), **_only(of, "low", "high", "std", "values")}
        for name, of in _mappings(content.get("accuracy"))
    ]
    comparisons = [
        {"method": method, "other": other, **_only(of, "difference", "low", "high", "verdict")}
        for method, others in _mappings(content.get("against"))
        for other, of in _mappings(others)
    ]
    told = _only(content, "num_pages", "chance", "interval")
    return from_dict(Ensemble, {"methods": methods, "comparisons": comparisons, **told})


def _mappings(value: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(name, mapping(of)) for name, of in mapping(value).items()]


def _only(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def read_records(files: Files) -> tuple[TrialRecord, ...]:
    """The records of the trainings, by name. Raises DamagedFileError."""
    found = []
    for name in sorted(files):
        if name.startswith(f"{FOLDER}/") and name.endswith(f"/{run.RECORD.name}"):
            found.append(run.RECORD.parse(files[name], name))
    return tuple(found)


def read_pages(files: Files) -> tuple[SheetPage, ...]:
    """Raises DamagedFileError."""
    if SHEET not in files:
        return ()
    try:
        return tuple(read_sheet(run.SHEET.parse(files[SHEET], SHEET)))
    except ValueError as error:
        raise DamagedFileError(SHEET, f"{error}") from error


def documents(found: Documents) -> Html:
    """Accuracy of each method, what was trained, and the pages of which the models are least sure."""
    parts: list[Html] = []
    if found.ensemble is not None:
        parts += [paragraph(_lede(found.ensemble)), row(_chart(found.ensemble), _methods(found.ensemble))]
        parts.append(_comparisons(found.ensemble))
    if found.records:
        parts.append(_trainings(found.records))
    if found.pages:
        shown = by_doubt(found.pages)[:MAX_THUMBNAILS]
        left_out = len(found.pages) - len(shown)
        more = f" {formatting.plural(left_out, 'page')} of less doubt: in the sheet of predictions." if left_out else ""
        parts.append(Html("<h3>New pages, the most doubtful first</h3>"))
        parts += [paragraph(describe(found.pages) + more), thumbnails(shown)]
    return section(FOLDER, "Documents", *parts)


def _lede(found: Ensemble) -> str:
    num = len(found.num_pages)
    pages = formatting.plural(found.num_pages[0], "page") if num else "no pages"
    over = f"in each of {num} random partitions into training, validation and test" if num > 1 else "of the test split"
    chance = f" Always naming the most frequent class: {formatting.percent(found.chance)}." if found.chance else ""
    return f"Accuracy on {pages} {over} that no training saw, by image, by text and by both.{chance}"


def _chart(found: Ensemble) -> Html:
    columns = [charts.Column(_name(m.name), m.values, m.accuracy, m.low, m.high) for m in found.methods]
    spoken = ", ".join(f"{_name(m.name)} {formatting.percent(m.accuracy)}" for m in found.methods)
    dots = "Accuracy of each partition (dots)" if len(found.num_pages) > 1 else "Accuracy (dot)"
    return figure(Html(charts.strip_plot(columns, (0.0, 1.0), f"Accuracy by method: {spoken}")), f"{dots}, interval")


def _methods(found: Ensemble) -> Html:
    several = len(found.num_pages) > 1
    columns = [Column("Method"), Column("Accuracy", True), Column("95 % interval", True)]
    rows = []
    for method in found.methods:
        name, meaning = METHODS.get(method.name, (method.name, ""))
        std = [formatting.MISSING if method.std is None else formatting.percent(method.std)] if several else []
        label = Html(f"{text(name)}<br><small>{text(meaning)}</small>")
        interval = f"{formatting.percent(method.low)} to {formatting.percent(method.high)}"
        rows.append([label, formatting.percent(method.accuracy), interval, *std])
    shown = table("Accuracy by method", [*columns, *([Column("Std", True)] if several else [])], rows)
    return join(Html("<div>"), shown, paragraph(f"Intervals: {found.interval}.", "note"), Html("</div>"))


def _comparisons(found: Ensemble) -> Html:
    columns = [Column("Compared"), Column("Difference", True), Column("95 % interval", True), Column("Verdict")]
    rows = [
        [
            text(f"{_name(one.method)} against {_name(one.other)} alone"),
            _signed(one.difference),
            f"{_signed(one.low)} to {_signed(one.high)}",
            text(one.verdict),
        ]
        for one in found.comparisons
    ]
    note = paragraph(
        "“Better” and “worse” err in at most 5 % over all of these together (Holm); intervals are of each alone.",
        "note",
    )
    return join(table("Together against each alone, in points of accuracy", columns, rows), note)


def _trainings(records: Sequence[TrialRecord]) -> Html:
    columns = [Column("Training"), Column("Parameters", True), Column("Steps", True), Column("Of", True)]
    columns += [Column("Validation accuracy", True), Column("Time", True)]
    rows: list[list[str | Html]] = [
        [
            Html(f"{text(record.name)}<br><small>{text(_network(record))}</small>"),
            f"{record.num_parameters:,}",
            f"{record.num_steps:,}",
            formatting.plural(record.global_batch_size, "page"),
            formatting.percent(_validation(record)),
            formatting.duration(record.timings.total_s),
        ]
        for record in records
    ]
    return table("What was trained", columns, rows)


def _network(record: TrialRecord) -> str:
    """Its name and where its initial weights came from, by the last part of a path."""
    task: Mapping[str, Any] = record.experiment.get("task", {})
    model = str(task.get("model", record.experiment.get("workload", ""))).rstrip("/").rpartition("/")[2]
    made_here = (record.origin.get("note") or {}).get("weights") == "random"  # by jobs/vocabulary.py
    origin = "" if made_here else str(record.origin.get("source", ""))
    start = origin.split("/checkpoint/")[0].rstrip("/").rpartition("/")[2]
    return f"{model}, begun with the weights of {start}" if start else f"{model}, begun with random weights"


def _validation(record: TrialRecord) -> float | None:
    found = record.metrics.get("accuracy")
    return found if isinstance(found, float) else None


def _name(method: str) -> str:
    return METHODS.get(method, (method, ""))[0]


def _signed(share: float) -> str:
    """In points: `+3.1`."""
    return f"{100 * share:+.1f}".replace("-", "−")
