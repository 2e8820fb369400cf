"""Which trial begins next: simulated over whole plans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.planning.plan import Plan, Stage, next_trial, num_places


@st.composite
def plans(draw: st.DrawFn) -> tuple[Plan, dict[str, str | None]]:
    """Plans of several stages, whose trials may start from those of earlier ones."""
    stages, origins = [], {}
    for number in range(draw(st.integers(1, 4))):
        names = tuple(f"{number}-{n}" for n in range(draw(st.integers(1, 5))))
        earlier = [None, *origins]
        origins |= {name: draw(st.sampled_from(earlier)) for name in names}
        stages.append(Stage(draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, 3)), names))
    return Plan("s", 12, "any", tuple(stages)), origins


@given(plans(), st.randoms(use_true_random=False), st.integers(0, 2))
def test_every_trial_begins_once_within_the_limits_of_its_stage(
    made: tuple[Plan, dict[str, str | None]], chance: "object", lost_places: int
) -> None:
    plan, origins = made
    stage_of = {name: number for number, stage in enumerate(plan.stages) for name in stage.trials}
    places = lambda stage: max(1, stage.concurrent_trials - lost_places)  # noqa: E731
    waiting, live, ended = list(stage_of), dict[str, int](), list[str]()
    begun: list[str] = []
    while waiting or live:
        name = next_trial(plan, waiting, live, places, lambda n: origins[n] is None or origins[n] in ended)
        if name is None:
            assert live, "nothing runs, nothing begins: it would wait forever"
            done = chance.choice(sorted(live))  # type: ignore[attr-defined]
            del live[done]
            ended.append(done)
            continue
        stage = plan.stages[stage_of[name]]
        assert origins[name] is None or origins[name] in ended
        assert {plan.stages[s].workers_per_trial for s in live.values()} <= {stage.workers_per_trial}
        assert len(live) < places(stage)
        waiting.remove(name)
        live[name] = stage_of[name]
        begun.append(name)
    assert sorted(begun) == sorted(stage_of) and len(ended) == len(stage_of)
    alone = [name for name in begun if origins[name] is None]
    assert alone == sorted(alone, key=list(stage_of).index), "what waits for nothing begins in the plan's order"


def test_stages_of_one_width_follow_without_a_pause_and_of_another_wait() -> None:
    plan = Plan("s", 4, "any", (Stage(1, 2, ("a", "b")), Stage(1, 2, ("c",)), Stage(2, 2, ("d",))))
    ready, two = lambda name: True, lambda stage: 2
    assert next_trial(plan, ["c", "d"], {"b": 0}, two, ready) == "c"
    assert next_trial(plan, ["d"], {"b": 0}, two, ready) is None
    assert next_trial(plan, ["d"], {}, two, ready) == "d"
    assert next_trial(plan, ["c"], {}, two, lambda name: False) is None


@pytest.mark.parametrize(
    ("k", "c", "planned", "before", "now", "wanted"),
    [
        (1, 4, 4, 4, 4, 4),
        (1, 4, 4, 4, 6, 6),  # two more workers: two more trials
        (2, 2, 4, 4, 7, 3),  # three more: one more trial of two
        (4, 1, 4, 4, 8, 2),  # data-parallel on twice as many: two at a time
        (1, 2, 4, 4, 6, 4),  # a plan that leaves two alone still does
        (2, 1, 4, 4, 8, 3),
        (1, 2, 8, 8, 7, 2),  # what a plan leaves alone may go
        (1, 4, 4, 8, 12, 4),  # --workers 4 of 8: no more than that
        (1, 4, 4, 8, 3, 3),
        (2, 2, 4, 4, 3, 1),
        (2, 2, 4, 4, 1, 1),  # for one that waits
    ],
)
def test_a_stage_takes_as_many_trials_as_the_cluster_has_room_for(
    k: int, c: int, planned: int, before: int, now: int, wanted: int
) -> None:
    stage = Stage(k, c, ("a",))
    assert num_places(Plan("s", planned, "any", (stage,)), stage, before, now) == wanted
