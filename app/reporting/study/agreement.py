"""The section of a study's report on whether the strategies came to the same results, and what the page's top says of
it."""

from app.intervals import CONFIDENCE, MAX_ERROR
from app.reporting.page import formatting
from app.reporting.page.markup import Column, Html, paragraph, section, table, text
from app.reporting.study.comparison import Comparison, trial_of
from app.reporting.study.parity import Parity

MANY_ROWS = 25
"""More scroll in a box of their own on a screen; on paper all are shown."""
MAX_WARNINGS = 5


def parity(found: Comparison) -> Html:
    """The same trial's scores under each strategy, side by side; nothing for a single run."""
    if len(found.runs) < 2:
        return Html("")
    if not found.parities:
        text_of_none = "No trial has finished under two strategies yet, so there is nothing to compare."
        return section("parity", "Same result", paragraph(text_of_none))
    return section("parity", "Same result", paragraph(_parity_text(found)), _parity_table(found))


def _parity_text(found: Comparison) -> str:
    said = [
        "The same trial is the same experiment under every strategy, so its scores should be the same.",
        "What dropout draws, and batch normalization without sync, are each worker’s own and may make them differ.",
        "Identical: in every digit.",
        f"Equivalent: within {found.tolerance:g} (set by --tolerance), of losses and distances that share of them.",
        "Of the validation, whose means alone are known, the values decide.",
    ]
    num_tested = sum(one.p_value is not None for one in found.parities)
    if num_tested:
        said.append(
            f"Where scores of each case are known, the {100 * CONFIDENCE:g} % interval (Student’s t, paired) of the "
            "mean difference must lie within that. Differ: the difference is beyond it, with an error of at most "
            f"{100 * MAX_ERROR:.0f} % over the {formatting.plural(num_tested, 'test')} of this page together (Holm). "
            "Undecided: neither can be said of so few cases."
        )
    if found.curve_differences:
        name, distance = max(found.curve_differences.items(), key=lambda item: item[1])
        said.append(f"The loss curves of the same trial lie at most {100 * distance:.2g} % of the loss apart ({name}).")
    batches = _batches(found)
    if batches:
        said.append(batches)
    return " ".join(said)


def _batches(found: Comparison) -> str:
    """Said where a trial had another global batch under another strategy: then it was not the same training."""
    for trial in found.runs[0].record.trials:
        sizes = {
            run.label: record.global_batch_size
            for run in found.runs
            if (record := trial_of(run, trial.name).record) is not None
        }
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{size} {label}" for label, size in sizes.items())
            return f"The global batch was not the same ({trial.name}: {listed}), which changes the training itself."
    return ""


def _parity_table(found: Comparison) -> Html:
    columns = [Column("Trial"), Column("Score"), *(Column(run.label, True) for run in found.runs)]
    with_interval = any(one.low is not None for one in found.parities)
    columns += [Column("Difference", True), *([Column("Interval", True)] if with_interval else []), Column("")]
    rows = []
    for one in found.parities:
        split = "" if one.split == "validation" else f" ({formatting.split_name(one.split)})"
        interval = formatting.MISSING if one.low is None or one.high is None else f"{one.low:.4f} to {one.high:.4f}"
        rows.append(
            [
                text(one.trial),
                text(found.scores.column(one.score) + split),
                *(found.scores.number(value, one.score) for value in one.values),
                formatting.MISSING if one.difference is None else f"{one.difference:.4f}",
                *([interval] if with_interval else []),
                _verdict(one),
            ]
        )
    return table("Scores under each strategy", columns, rows, "tall" if len(rows) > MANY_ROWS else "")


def _verdict(one: Parity) -> Html:
    if one.numerics:
        return Html(f'<span class="wrong">not comparable</span><br><small>{text(one.numerics)}</small>')
    if one.verdict is None:
        return Html("")
    if one.verdict == "undecided":
        are = "is" if one.num_cases == 1 else "are"
        return text(f"undecided: {formatting.plural(one.num_cases or 0, 'case')} {are} too few")
    if one.verdict != "differ":
        return Html(f'<span class="right">{one.verdict}</span>')
    why = f"<br><small>{text('; '.join(one.reasons))}</small>" if one.reasons else ""
    return Html(f'<span class="wrong">differ</span>{why}')


def not_comparable(found: Comparison) -> list[str]:
    """The first warning of the page where trials were trained in other numerics."""
    if not found.numerics:
        return []
    listed = [f"{trial}: {numerics}" for trial, numerics in list(found.numerics.items())[:MAX_WARNINGS]]
    left_out = len(found.numerics) - MAX_WARNINGS
    if left_out > 0:
        listed.append(f"and {formatting.plural(left_out, 'more trial')}")
    sentence = (
        f"Precision and memory layout were not the same under each strategy ({'; '.join(listed)}), so the scores of "
        "these trials are not comparable. Run the study again under another --name, with --numerics and the folder of "
        "the run that it is to be compared with."
    )
    return [sentence]


def disagreements(found: Comparison) -> list[str]:
    """Warnings for the top of the page."""
    lines = [_disagreement(found, one) for one in found.disagreements[:MAX_WARNINGS]]
    more = len(found.disagreements) - MAX_WARNINGS
    return [*lines, f"{formatting.plural(more, 'more score')} differ: see Same result."] if more > 0 else lines


def _disagreement(found: Comparison, one: Parity) -> str:
    pairs = zip(found.runs, one.values, strict=True)
    listed = ", ".join(
        f"{found.scores.number(value, one.score)} {run.label}" for run, value in pairs if value is not None
    )
    if one.low is not None and one.high is not None:
        why = (
            f"the interval of the difference over {one.num_cases} cases, {one.low:.4f} to {one.high:.4f}, is beyond "
            f"{one.allowed:.2g}"
        )
    else:
        why = f"a difference of {one.difference:.4f}, more than {one.allowed:.2g}"
    why += f" ({'; '.join(one.reasons)})" if one.reasons else ""
    return f"{one.trial}: {found.scores.name(one.score)} ({formatting.split_name(one.split)}) is {listed}: {why}."
