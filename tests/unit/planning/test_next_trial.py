"""Which trial begins next: simulated over whole plans."""

from hypothesis import given
from hypothesis import strategies as st

from app.planning.plan import Plan, Stage, next_trial


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
    waiting, live, ended = list(stage_of), dict[str, int](), list[str]()
    begun: list[str] = []
    while waiting or live:
        name = next_trial(plan, waiting, live, lost_places, lambda n: origins[n] is None or origins[n] in ended)
        if name is None:
            assert live, "nothing runs, nothing begins: it would wait for ever"
            done = chance.choice(sorted(live))  # type: ignore[attr-defined]
            del live[done]
            ended.append(done)
            continue
        stage = plan.stages[stage_of[name]]
        assert origins[name] is None or origins[name] in ended
        assert {plan.stages[s].workers_per_trial for s in live.values()} <= {stage.workers_per_trial}
        assert len(live) < max(1, stage.concurrent_trials - lost_places)
        waiting.remove(name)
        live[name] = stage_of[name]
        begun.append(name)
    assert sorted(begun) == sorted(stage_of) and len(ended) == len(stage_of)
    alone = [name for name in begun if origins[name] is None]
    assert alone == sorted(alone, key=list(stage_of).index), "what waits for nothing begins in the plan's order"


def test_stages_of_one_width_follow_without_a_pause_and_of_another_wait() -> None:
    plan = Plan("s", 4, "any", (Stage(1, 2, ("a", "b")), Stage(1, 2, ("c",)), Stage(2, 2, ("d",))))
    ready = lambda name: True  # noqa: E731
    assert next_trial(plan, ["c", "d"], {"b": 0}, 0, ready) == "c"
    assert next_trial(plan, ["d"], {"b": 0}, 0, ready) is None
    assert next_trial(plan, ["d"], {}, 0, ready) == "d"
    assert next_trial(plan, ["c"], {}, 0, lambda name: False) is None
