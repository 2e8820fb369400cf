"""The top of a report: what was done and what came out, in two sentences and a few figures."""

from app.reporting.page import formatting
from app.reporting.page.markup import Html, escape
from app.reporting.page.scores import ScoreTexts
from app.reporting.run.run_files import Run, ScoredSplit
from app.reporting.run.sections import interval_text

MAX_KEY_SCORES = 4


def heading(run: Run) -> Html:
    lede = " ".join(sentences(run))
    keys = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for name, value, note in key_figures(run)
    )
    parts = ['<p class="kind">Training report</p>', f"<h1>{escape(run.name)}</h1>"]
    parts += [f'<p class="lede">{escape(lede)}</p>'] if lede else []
    parts += [f'<dl class="keys">{keys}</dl>'] if keys else []
    return Html(f"<header>{''.join(parts)}</header>\n")


def sentences(run: Run) -> list[str]:
    """What was trained and on what; then what it is worth, or how far it has come."""
    found = [_training(run)]
    evaluation = main_evaluation(run)
    if evaluation is not None:
        found.append(_outcome(evaluation, run.scores))
    return [sentence for sentence in found if sentence]


def _training(run: Run) -> str:
    record = run.record
    if record is None:
        return _unfinished(run)
    network = record.experiment.get("task", {}).get("network", record.experiment.get("workload", "A network"))
    epochs = run.epochs[-1].epoch if run.epochs else None
    length = f"for {formatting.plural(epochs, 'epoch')} " if epochs is not None else ""
    seen = f"on {formatting.plural(run.counts['train'], 'case')} " if run.counts.get("train") else ""
    ended = "was trained" if record.status == "finished" else "was trained, and failed,"
    return (
        f"{network} ({record.num_parameters:,} parameters) {ended} {length}{seen}by "
        f"{formatting.plural(record.num_workers, 'worker')} on {formatting.device(record.device)} "
        f"in {formatting.duration(record.timings.total_s)}."
    )


def _unfinished(run: Run) -> str:
    if not run.epochs:
        return ""
    planned = (run.config or {}).get("epochs")
    of = f" of {planned}" if isinstance(planned, int) else ""
    return f"No record of a finished training: epoch {run.epochs[-1].epoch}{of} is the last that was written."


def main_evaluation(run: Run) -> ScoredSplit | None:
    """The evaluation of the test split where there is one."""
    return run.evaluations[0] if run.evaluations else None


def _outcome(found: ScoredSplit, scores: ScoreTexts) -> str:
    name = next(iter(scores.main_first(found.means)), None)
    if name is None or found.means[name].mean is None:
        return ""
    mean = found.means[name]
    interval = f" (95 % interval {interval_text(mean, name, scores)})" if mean.low is not None else ""
    num = formatting.plural(len(found.cases) or mean.num_cases or 0, "case")
    where = f"On the {num} of the {formatting.split_name(found.split)} split"
    return f"{where}, the mean {scores.name(name)} is {scores.number(mean.mean, name)}{interval}."


def key_figures(run: Run) -> list[tuple[str, str, str]]:
    """Name, value and a note each."""
    figures = []
    evaluation = main_evaluation(run)
    if evaluation is not None:
        for name in run.scores.main_first(evaluation.means)[:MAX_KEY_SCORES]:
            mean = evaluation.means[name]
            note = f"95 %: {interval_text(mean, name, run.scores)}" if mean.low is not None else ""
            figures.append((run.scores.name(name), run.scores.number(mean.mean, name), note))
    if run.record is not None:
        record = run.record
        figures.append(
            ("Training", formatting.duration(record.timings.total_s), f"{formatting.plural(record.num_steps, 'step')}")
        )
        waiting = f"{formatting.percent(record.waiting_share)} of it waiting for data"
        figures.append(("Samples per second", formatting.significant(record.samples_per_s), waiting))
    return figures
