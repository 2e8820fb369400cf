"""When each trial of a plan is expected to run, as a record of a study that has not run yet."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from app.configuration import to_dict
from app.planning.cost import Cost
from app.planning.lanes import lanes_s
from app.planning.plan import Plan, Stage
from app.records import Session, Span, StudyRecord, StudyTrial

PHASES: Mapping[str, str] = {
    "start": "startup",
    "again": "startup",
    "steps": "step",
    "evaluation": "evaluation",
    "checkpoint": "checkpoint",
    "other": "other",
    "handover": "other",
}
"""The terms of Cost, in the order in which they are drawn: a trial's evaluations are drawn as one."""

Costs = Callable[[str, int, int], Cost]
"""What a trial costs, by its name, its workers and how many run side by side."""


def expected_record(plan: Plan, costs: Costs, launch_s: float = 0.0) -> StudyRecord:
    """A record from second 0 on, as the study would leave it."""
    trials: list[StudyTrial] = []
    numbered = list(enumerate(plan.stages))
    now_s = launch_s
    for _, same in groupby(numbered, key=lambda pair: (pair[1].workers_per_trial, pair[1].concurrent_trials)):
        stages = list(same)
        placed = list(_placed(stages, costs))
        k, c = stages[0][1].workers_per_trial, stages[0][1].concurrent_trials
        names = [name for _, stage in stages for name in stage.trials]
        whole_s = lanes_s(names, k, c, lambda *key: (costs(*key).start_s, costs(*key).run_s)) or 0.0
        scale = whole_s / max(end_s for *_, end_s in placed)  # the last trials have fewer neighbours
        trials += [_trial(one, k, costs(one[0], k, c), now_s, scale) for one in placed]
        now_s += whole_s
    return StudyRecord(
        name=plan.study,
        status="finished",
        strategy=plan.strategy,
        plan=to_dict(plan),
        num_workers=plan.num_workers,
        worker_kind="CPU",
        sessions=(Session(0.0, now_s),),
        trials=tuple(trials),
    )


Placed = tuple[str, int, int, bool, float, float]
"""Name, stage, lane, whether it is the lane's first, start and end."""


def _placed(stages: Sequence[tuple[int, Stage]], costs: Costs) -> Iterator[Placed]:
    k, c = stages[0][1].workers_per_trial, stages[0][1].concurrent_trials
    free = [(0.0, lane) for lane in range(c)]
    begun: set[int] = set()
    for number, stage in stages:
        for name in stage.trials:
            start_s, lane = free[0]
            cost = costs(name, k, c)
            end_s = start_s + cost.run_s + (0.0 if lane in begun else cost.start_s)
            yield name, number, lane, lane not in begun, start_s, end_s
            begun.add(lane)
            heapq.heapreplace(free, (end_s, lane))


def _trial(placed: Placed, k: int, cost: Cost, offset_s: float, scale: float) -> StudyTrial:
    name, stage, lane, is_first, start_s, end_s = placed
    spans, at_s = [], offset_s + start_s * scale
    for term, phase in PHASES.items():
        term_s = cost.terms()[term] * scale
        if term_s > 0 and (term != "start" or is_first):
            spans.append(Span(phase, at_s, at_s + term_s))
            at_s += term_s
    begin_s = offset_s + start_s * scale
    return StudyTrial(name, "finished", stage, lane, k, begin_s, offset_s + end_s * scale, 1, spans=tuple(spans))
