"""When each trial of a plan is expected to run, as a record of a study that has not run yet."""

from collections.abc import Callable, Mapping

from app.configuration import to_dict
from app.planning.cost import ONCE, Cost
from app.planning.lanes import ALONE, Origins, Placed, lanes_s, places, same_width
from app.planning.plan import Plan
from app.records import Session, Span, StudyRecord, StudyTrial

PHASES: Mapping[str, str] = {
    "start": "startup",
    "again": "startup",
    "new_steps": "step",
    "steps": "step",
    "new_evaluation": "evaluation",
    "evaluation": "evaluation",
    "checkpoint": "checkpoint",
    "other": "other",
    "handover": "other",
}
"""The terms of Cost, in the order in which they are drawn: a trial's evaluations are drawn as one."""

Costs = Callable[[str, int, int, int], Cost | None]
"""What a trial costs, by its name, its workers, how many such have room and how many of these run; None: so many cannot
share its batch."""


def expected_record(
    plan: Plan,
    costs: Costs,
    before_s: float = 0.0,
    after_s: float = 0.0,
    origins: Origins = ALONE,
    widens: bool = False,
) -> StudyRecord:
    """A record from second 0 on, as the study would leave it.

    Args:
        before_s: until the first lanes start.
        after_s: from the last trial's end to the command's.
        widens: the last trials get free workers; what that saves is drawn as if it were of all in their stages.
    """

    def seconds(name: str, k: int, places: int, busy: int) -> tuple[float, float] | None:
        cost = costs(name, k, places, busy)
        return None if cost is None else (cost.lane_s, cost.run_s)

    trials: list[StudyTrial] = []
    stage_of = {name: number for number, stage in enumerate(plan.stages) for name in stage.trials}
    now_s = before_s
    groups = [*same_width(plan.stages)]
    for number, (k, c) in enumerate(groups):
        placed = places([*c], k, c, seconds, origins) or []
        widen_over = plan.num_workers if widens and number == len(groups) - 1 else 0
        whole_s = lanes_s([*c], k, c, seconds, origins, widen_over) or 0.0
        scale = whole_s / max(end_s for *_, end_s in placed)  # the last trials have fewer neighbours
        for one in placed:
            cost = costs(one[0], k, c[one[0]], c[one[0]])
            assert cost is not None, f"{one[0]} on {k} workers is planned and cannot run"
            trials.append(_trial(one, stage_of[one[0]], k, cost, now_s, scale))
        now_s += whole_s
    return StudyRecord(
        name=plan.study,
        status="finished",
        strategy=plan.strategy,
        plan=to_dict(plan),
        num_workers=plan.num_workers,
        worker_kind="CPU",
        sessions=(Session(0.0, now_s + after_s),),
        trials=tuple(trials),
    )


def _trial(placed: Placed, stage: int, k: int, cost: Cost, offset_s: float, scale: float) -> StudyTrial:
    name, lane, is_first, start_s, end_s = placed
    spans, at_s = [], offset_s + start_s * scale
    for term, phase in PHASES.items():
        term_s = cost.terms()[term] * scale
        if term_s > 0 and (term not in ONCE or is_first):
            spans.append(Span(phase, at_s, at_s + term_s))
            at_s += term_s
    begin_s = offset_s + start_s * scale
    return StudyTrial(name, "finished", stage, lane, k, begin_s, offset_s + end_s * scale, 1, spans=tuple(spans))
