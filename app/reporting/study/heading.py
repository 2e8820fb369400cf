"""The top of a study's report: the finding in a few sentences, and the figures behind it."""

from collections import Counter

from app.reporting.page import formatting
from app.reporting.page.markup import Html, escape
from app.reporting.study.comparison import Comparison, best_score
from app.reporting.study.numbers import Cost
from app.reporting.study.study_files import StudyRun


def heading(found: Comparison) -> Html:
    keys = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for name, value, note in key_figures(found)
    )
    return Html(
        f'<header><p class="kind">Study report</p><h1>{escape(found.runs[0].record.name)}</h1>'
        f'<p class="lede">{escape(" ".join(sentences(found)))}</p><dl class="keys">{keys}</dl></header>\n'
    )


def sentences(found: Comparison) -> list[str]:
    """Whether the results can be compared at all; which strategy took how long, on what; how much that is; whether the
    results agree."""
    complete = _complete(found)
    said = [_comparability(found), _durations(found, complete)]
    if complete:
        said.append(_gain(complete))
    said.append(_agreement(found))
    return [sentence for sentence in said if sentence]


def workers(cost: Cost) -> str:
    """`4 GPUs`, `2 CPU workers`."""
    return formatting.plural(cost.num_workers, "GPU" if cost.worker_kind == "GPU" else f"{cost.worker_kind} worker")


def _complete(found: Comparison) -> list[tuple[StudyRun, Cost]]:
    """Those that came to their end without a failed trial, the fastest first."""
    pairs = [(run, cost) for run, cost in zip(found.runs, found.costs, strict=True) if run.record.status == "finished"]
    return sorted(pairs, key=lambda pair: pair[1].makespan_s)


def _durations(found: Comparison, complete: list[tuple[StudyRun, Cost]]) -> str:
    trials = found.runs[0].record.trials
    kinds = Counter(str(values.get("workload", "?")) for values in found.experiments.values())
    of = f" ({', '.join(kinds)})" if kinds else ""
    what = f"{formatting.plural(len(trials), 'training')}{of}"
    if not complete:
        return f"{what}: no run of them is complete yet."
    stopped = [f"{n} {run.label}" for run, _ in complete if (n := _num_stopped(run))]
    early = f" (some were stopped early by a rule: {', '.join(stopped)})" if stopped else ""
    same = len({workers(cost) for _, cost in complete}) == 1
    parts = [
        f"{formatting.duration(cost.makespan_s)} {run.label}{'' if same else f' ({workers(cost)})'}"
        for run, cost in complete
    ]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{what} took {listed}{f', on {workers(complete[0][1])}' if same else ''}{early}."


def _num_stopped(run: StudyRun) -> int:
    return sum(trial.status == "stopped" for trial in run.record.trials)


def _gain(complete: list[tuple[StudyRun, Cost]]) -> str:
    run, cost = complete[0]
    parts = []
    if cost.speed_up is not None and cost.num_workers > 1:
        parts.append(f"{formatting.significant(cost.speed_up)} times as fast as one worker")
    if len(complete) > 1:
        slowest = complete[-1]
        factor = formatting.significant(slowest[1].makespan_s / cost.makespan_s)
        parts.append(f"{factor} times as fast as {slowest[0].label}")
    return f"{run.label[:1].upper()}{run.label[1:]} was {' and '.join(parts)}." if parts else ""


def _comparability(found: Comparison) -> str:
    if not found.numerics:
        return ""
    num_trials = formatting.plural(len(found.runs[0].record.trials), "trial")
    return (
        f"The scores of these runs are not comparable: {len(found.numerics)} of {num_trials} were trained in other "
        "numerics under another strategy."
    )


def _agreement(found: Comparison) -> str:
    judged = [parity for parity in found.parities if parity.verdict is not None]
    if not judged:
        return ""
    differ = found.disagreements
    undecided = f"{len(found.undecided)} of {len(judged)} scores are undecided, for lack of cases"
    if differ:
        known = "; why is said in each row of Same result" if all(parity.reasons for parity in differ) else ""
        more = f"; {undecided}" if found.undecided else ""
        return f"The strategies disagree in {len(differ)} of {len(judged)} scores{known}{more}."
    if found.undecided:
        return f"No strategy is shown to reach other scores; {undecided}."
    which = "The other trials" if found.numerics else "The same trial"
    same = "identical" if all(parity.verdict == "identical" for parity in judged) else "equivalent"
    return f"{which} reached {same} scores under each strategy."


def key_figures(found: Comparison) -> list[tuple[str, str, str]]:
    """Name, value and a note each."""
    figures = []
    complete = _complete(found)
    if complete:
        run, cost = complete[0]
        figures.append(("Shortest makespan", formatting.duration(cost.makespan_s), run.label))
        known = [(r, c) for r, c in complete if c.speed_up is not None]
        if known:
            best, best_cost = max(known, key=lambda pair: pair[1].speed_up or 0.0)
            note = f"{best.label}, {formatting.percent(best_cost.efficiency)} of {best_cost.num_workers}"
            figures.append(("Speed-up", formatting.significant(best_cost.speed_up), note))
        else:
            note = f"{run.label}, of {workers(cost)}; no run on one worker to say how much faster"
            figures.append(("Busy share", formatting.percent(cost.busy_share), note))
        cheapest, least = min(complete, key=lambda pair: pair[1].worker_hours)
        figures.append((f"Least {least.worker_kind}-hours", formatting.significant(least.worker_hours), cheapest.label))
    run = found.reference
    best_trial = run.record.best_trial
    if best_trial is not None:
        value = found.scores.number(best_score(run, best_trial), run.record.score)
        figures.append((f"Best {found.scores.name(run.record.score)}", value, f"{best_trial}, on validation"))
    return figures
