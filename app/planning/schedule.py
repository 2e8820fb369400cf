"""When each trial of a plan is expected to run, as a record of a study that has not run yet."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.configuration import to_dict
from app.planning.cost import ONCE, Cost
from app.planning.forecast import origins_of, start_of_command_s
from app.planning.lanes import ALONE, Origins, Placed, Seconds, lanes_s, places, same_width
from app.planning.plan import Plan
from app.planning.play import Costs, Going, Plays, Works
from app.records import Session, Span, Stint, StudyRecord, StudyTrial

PHASES: Mapping[str, str] = {
    "start": "startup",
    "again": "startup",
    "new_steps": "step",
    "steps": "step",
    "new_evaluation": "evaluation",
    "evaluation": "evaluation",
    "checkpoint": "checkpoint",
    "other": "other",
    "new_handover": "other",
    "handover": "other",
}
"""The terms of Cost, in the order in which they are drawn: a trial's evaluations are drawn as one."""


def expected_of(plays: Plays, plan: Plan, works: Works) -> StudyRecord:
    """The record of a study by its plan, where its trials turn out so."""
    study, model, first = plays.study, plays.model, plan.stages[0]
    widens = study.scheduler is not None and study.scheduler.widen
    going = Going(plays, model, works, widen_over=plan.num_workers if widens else 0)
    k, c = first.workers_per_trial, first.concurrent_trials
    before_s, rounds = start_of_command_s(model, k, c, going.kinds()), going.costs_of_rounds()
    return expected_record(plan, going.costs, before_s, model.closing_s, origins_of(study), widens, rounds)


def expected_record(
    plan: Plan,
    costs: Costs,
    before_s: float = 0.0,
    after_s: float = 0.0,
    origins: Origins = ALONE,
    widens: bool = False,
    rounds: Sequence[Costs] = (),
) -> StudyRecord:
    """A record from second 0 on, as the study would leave it.

    Args:
        before_s: until the first lanes start.
        after_s: from the last trial's end to the command's.
        widens: the last trials get free workers; what that saves is drawn as if it were of all in their stages.
        rounds: of a population what each costs; then `costs` is not asked.
    """
    trials: dict[str, StudyTrial] = {}
    now_s, groups = before_s, [*same_width(plan.stages)]
    stage_of = {name: number for number, stage in enumerate(plan.stages) for name in stage.trials}
    for number, of_round in enumerate(rounds or [costs]):
        is_up = number > 0 and len({k for k, _ in groups}) == 1
        for place, (k, c) in enumerate(groups):
            seconds = _seconds(of_round, is_up)
            placed = places([*c], k, c, seconds, origins) or []
            widen_over = plan.num_workers if widens and place == len(groups) - 1 else 0
            whole_s = lanes_s([*c], k, c, seconds, origins, widen_over) or 0.0
            scale = whole_s / max(end_s for *_, end_s in placed)  # the last trials have fewer neighbours
            for one in placed:
                cost = of_round(one[0], k, c[one[0]], c[one[0]])
                assert cost is not None, f"{one[0]} on {k} workers is planned and cannot run"
                made = _trial(one, stage_of[one[0]], k, cost, now_s, scale, is_up)
                trials[one[0]] = _continued(trials.get(one[0]), made) if rounds else made
            now_s += whole_s
    return StudyRecord(
        name=plan.study,
        status="finished",
        strategy=plan.strategy,
        plan=to_dict(plan),
        num_workers=plan.num_workers,
        worker_kind="CPU",
        sessions=(Session(0.0, now_s + after_s),),
        trials=tuple(trials.values()),
    )


def _seconds(costs: Costs, is_up: bool) -> Seconds:
    """With what is paid once a lane, unless all lanes are there."""

    def seconds(name: str, k: int, places: int, busy: int) -> tuple[float, float] | None:
        cost = costs(name, k, places, busy)
        return None if cost is None else (0.0 if is_up else cost.lane_s, cost.run_s)

    return seconds


def _continued(before: StudyTrial | None, made: StudyTrial) -> StudyTrial:
    """A member's rounds so far, and the next."""
    assert made.start_s is not None and made.end_s is not None
    stint = Stint(made.lane, made.workers_per_trial, made.start_s, made.end_s)
    if before is None:
        return replace(made, stints=(stint,))
    spans, stints = (*before.spans, *made.spans), (*before.stints, stint)
    return replace(before, end_s=made.end_s, spans=spans, stints=stints)


def _trial(placed: Placed, stage: int, k: int, cost: Cost, offset_s: float, scale: float, is_up: bool) -> StudyTrial:
    name, lane, is_first, start_s, end_s = placed
    spans, at_s = [], offset_s + start_s * scale
    for term, phase in PHASES.items():
        term_s = cost.terms()[term] * scale
        if term_s > 0 and (term not in ONCE or (is_first and not is_up)):
            spans.append(Span(phase, at_s, at_s + term_s))
            at_s += term_s
    begin_s = offset_s + start_s * scale
    return StudyTrial(name, "finished", stage, lane, k, begin_s, offset_s + end_s * scale, 1, spans=tuple(spans))
