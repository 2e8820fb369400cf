"""A plan before it runs: what each way takes, who would do what when, and what more workers would bring."""

import math
from collections.abc import Sequence
from itertools import pairwise

from app.planning.beside import HeadStart
from app.planning.forecast import Forecast
from app.records import StudyRecord
from app.reporting.page import formatting
from app.reporting.page.charts import Series, line_chart
from app.reporting.page.markup import Column, Html, figure, paragraph, row, section, table, text
from app.reporting.page.shell import document, footer
from app.reporting.study import study_charts
from app.reporting.study.sections import NAMES
from app.reporting.study.style import STUDY_STYLE
from app.reporting.study.timeline import KINDS, worker_rows

PAYING = 0.05
"""Assumed: twice the workers pay where they make the study at least this much shorter."""
MAX_ROWS = 64
"""Workers of a timeline; of more only these are drawn."""


def plan_page(
    found: Sequence[Forecast],
    chosen: Forecast,
    expected: StudyRecord,
    price_per_hour: float | None,
    made: str = "",
    is_one_play: bool = False,
    beside: Sequence[HeadStart] = (),
) -> str:
    """The HTML.

    Args:
        found: every candidate on every number of workers.
        expected: the chosen plan as it is expected to run (app.planning.schedule).
        price_per_hour: of one worker.
        is_one_play: whether a scheduler or a search has a say in how long trials take, so that `expected` is one way in
            which it may go.
        beside: work on free CPUs that trials wait for.
    """
    parts = [_heading(chosen), _table(found, price_per_hour), _timeline(chosen, expected, is_one_play, beside)]
    best = _best(found)
    if len(best) > 1:
        parts.append(_what_if(best, price_per_hour))
    end = footer(made, "plan job from a profile")
    definitions = Html(study_charts.definitions())
    return document(f"{chosen.plan.study} – plan", definitions, *parts, end, more_style=STUDY_STYLE)


def _heading(chosen: Forecast) -> Html:
    said = (
        f"{chosen.plan.strategy} on {formatting.plural(chosen.plan.num_workers, 'worker')}: "
        f"{formatting.duration(chosen.makespan_s)}, with 80 % between {formatting.duration(chosen.low_s)} and "
        f"{formatting.duration(chosen.high_s)}. {chosen.plan.reasons[0].capitalize()}."
    )
    return Html(
        f'<header><p class="kind">Plan</p><h1>{text(chosen.plan.study)}</h1><p class="lede">{text(said)}</p></header>\n'
    )


def _table(found: Sequence[Forecast], price_per_hour: float | None) -> Html:
    titles = ["Workers", "Time", "80 % from", "to", "Worker-hours", "Above the bound"]
    columns = [Column("Strategy"), *(Column(title, True) for title in titles)]
    columns += [Column("Price", True)] if price_per_hour is not None else []
    rows: list[list[str | Html]] = []
    for one in found:
        times = [formatting.duration(seconds) for seconds in (one.makespan_s, one.low_s, one.high_s)]
        hours = formatting.significant(one.worker_hours)
        price = [] if price_per_hour is None else [f"{one.worker_hours * price_per_hour:.2f}"]
        share = formatting.percent(one.above_bound)
        rows.append([one.plan.strategy, str(one.plan.num_workers), *times, hours, share, *price])
    note = (
        "The bound: the longest trial on its best number of workers, or all work over all workers; no plan is faster."
    )
    return section("candidates", "Ways to run it", table("What each takes", columns, rows), paragraph(note, "note"))


def _timeline(chosen: Forecast, expected: StudyRecord, is_one_play: bool, beside: Sequence[HeadStart]) -> Html:
    rows = worker_rows(expected)[:MAX_ROWS]
    total_s = expected.makespan_s()
    kinds = "".join(f"<span>{study_charts.swatch(n)}{text(NAMES[k][0])}</span> " for n, k in enumerate(KINDS, 1))
    starts: dict[int, float] = {}
    for trial in expected.trials:
        starts[trial.stage] = min(trial.start_s or 0.0, starts.get(trial.stage, float("inf")))
    borders = [(at_s, f"stage {stage + 1}") for stage, at_s in sorted(starts.items()) if stage]
    done = [(max(0.0, one.takes_s - chosen.head_start_s), f"{one.name} done") for one in beside]
    borders += [(at_s, name) for at_s, name in done if at_s <= total_s]
    spoken = f"Expected timeline of {chosen.plan.num_workers} workers: {formatting.duration(total_s)}"
    chart = study_charts.timeline(rows, expected.trials, total_s, borders, spoken)
    early = " It is one of many ways in which it may go; times above are means." if is_one_play else ""
    more = "" if len(rows) == chosen.plan.num_workers else f" The first {MAX_ROWS} workers are drawn."
    head = formatting.duration(chosen.head_start_s)
    later = f" It starts {head} after {beside[0].name}, which runs on other cores." if chosen.head_start_s else ""
    note = f"One row a worker, a framed block is a trial; its evaluations are drawn as one.{early}{more}{later}"
    return section(
        "timeline", "Who would do what when", paragraph(note), Html(f'<p class="legend">{kinds}</p>'),
        figure(Html(chart), f"{chosen.plan.strategy}, {formatting.duration(total_s)}", "wide"),
    )  # fmt: skip


def _best(found: Sequence[Forecast]) -> list[Forecast]:
    """The fastest for each number of workers, the fewest first."""
    best: dict[int, Forecast] = {}
    for one in found:
        known = best.get(one.plan.num_workers)
        if known is None or one.makespan_s < known.makespan_s:
            best[one.plan.num_workers] = one
    return [best[num] for num in sorted(best)]


def last_that_pays(best: Sequence[Forecast]) -> int:
    """The number of workers after which more of them save less than PAYING of the time for each doubling."""
    for few, more in pairwise(best):
        doublings = math.log2(more.plan.num_workers / few.plan.num_workers)
        if more.makespan_s > few.makespan_s * (1 - PAYING) ** doublings:
            return few.plan.num_workers
    return best[-1].plan.num_workers


def _what_if(best: Sequence[Forecast], price_per_hour: float | None) -> Html:
    stop = last_that_pays(best)
    unit_s, unit = (3600.0, "h") if best[-1].makespan_s > 3600 else (60.0, "min")
    lines = [(one.plan.num_workers, one.makespan_s / unit_s) for one in best]
    ends = [(one.plan.num_workers, end / unit_s) for one in best for end in (one.low_s, one.high_s)]
    low = Series("", tuple(ends[::2]))
    high = Series("", tuple(ends[1::2]))
    top = max(y for _, y in ends)
    times = line_chart(
        [Series("time", tuple(lines))], "workers", "Time by workers", (0.0, top), float(stop), behind=[low, high]
    )
    price = price_per_hour if price_per_hour is not None else 1.0
    costs = tuple((float(one.plan.num_workers), one.worker_hours * price) for one in best)
    name = "Worker-hours" if price_per_hour is None else "Price"
    top = max(y for _, y in costs)
    chart = line_chart([Series(name, costs)], "workers", f"{name} by workers", (0.0, top), float(stop))
    said = f"More than {formatting.plural(stop, 'worker')} no longer pay: each doubling saves less than {PAYING:.0%}."
    if stop == best[-1].plan.num_workers:
        said = f"Up to {formatting.plural(stop, 'worker')}, the most that were asked about, more of them pay."
    return section(
        "what-if", "More workers, or fewer", paragraph(said),
        row(figure(Html(times), f"Time ({unit}) of the best plan, with its 80 % interval"), figure(Html(chart), name)),
    )  # fmt: skip
