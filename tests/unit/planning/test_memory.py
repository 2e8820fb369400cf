"""What fits into memory, by hand."""

from dataclasses import replace

import pytest
from measured_records import LIKE

from app.experiment import Study
from app.planning.budget import bounded
from app.planning.forecast import forecasts
from app.planning.memory import GIB, needed_bytes, room_for
from app.planning.profile import Failed, Profile, Sample, Setting, group_of

STUDY = Study("s", tuple(replace(LIKE, name=name, batch_size=8) for name in "abcdefgh"))
GROUP = group_of(STUDY.experiments[0])


def sample(k: int, gib: float, limit_gib: float = 20.0) -> Sample:
    memory = {"memory_bytes": int(gib * GIB), "memory_limit_bytes": int(limit_gib * GIB)}
    return Sample((GROUP,), "r", k, 1, "kept", 8, 10.0, 2.0, 1.0, **memory)  # type: ignore[arg-type]


def profile(*samples: Sample, device: str = "cpu", num_cores: int = 4) -> Profile:
    return Profile(Setting(device, num_cores), samples)


def test_memory_lies_on_a_line_over_the_samples_that_a_worker_has() -> None:
    """Eight samples 10 GiB, two 4 GiB: 1 GiB each and 2 GiB; four samples 6 GiB. From one width alone in proportion."""
    both = [sample(1, 10.0), sample(4, 4.0), sample(4, 3.0)]
    assert [needed_bytes(both, k, 8) / GIB for k in (1, 2, 4, 8)] == pytest.approx([10.0, 6.0, 4.0, 3.0])
    assert [needed_bytes([sample(2, 5.0)], k, 8) / GIB for k in (1, 2, 4)] == pytest.approx([10.0, 5.0, 5.0])


def test_a_host_has_room_for_as_many_workers_as_its_memory_holds() -> None:
    """18 of 20 GiB: one worker of 10 GiB, three of 6 GiB, four of 4 GiB."""
    room = room_for(STUDY.experiments, profile(sample(1, 10.0), sample(4, 4.0)), 4, [1, 2, 4])
    assert (room.places, room.lacking) == ({1: 1, 2: 1}, {})
    assert room.lines() == [f"{k} a trial: 1 at a time, more do not fit" for k in ("1 worker", "2 workers")]


def test_what_does_not_fit_is_not_planned_and_told_with_its_numbers() -> None:
    tight = profile(sample(1, 19.0), sample(4, 4.0))
    room = room_for(STUDY.experiments, tight, 4, [1, 4])
    assert room.lacking == {1: "a needs 19.0 GiB a worker; expected at most 18.0 of the 20.0 GiB that there are"}
    assert {f.plan.strategy for f in forecasts(STUDY, tight, 4)} == {"hybrid:2", "data-parallel", "mixed:2+4"}
    with pytest.raises(ValueError, match=r"no number of workers a trial fits: 1 worker a trial: a needs 19\.0 GiB"):
        forecasts(STUDY, profile(sample(1, 19.0)), 1)


def test_fewer_trials_run_at_a_time_than_workers_allow() -> None:
    (found,) = (f for f in forecasts(STUDY, profile(sample(1, 8.0)), 4) if f.plan.strategy == "experiment-parallel")
    assert [stage.concurrent_trials for stage in found.plan.stages] == [2]


def test_what_a_budget_leaves_for_later_runs_no_more_at_a_time_either() -> None:
    """Batches of one sample have one worker each; two of 8 GiB have room."""
    study = Study("s", tuple(replace(e, batch_size=1) for e in STUDY.experiments))
    held = replace(sample(1, 8.0), groups=(group_of(study.experiments[0]),), global_batch_size=1)
    (chosen,) = forecasts(study, profile(held), 4)
    bound = bounded(study, profile(held), chosen, 0.6 * chosen.high_s)
    assert bound.num_fitting == 4
    assert [stage.concurrent_trials for stage in bound.plan.stages] == [2, 2]


def test_gpus_have_memory_of_their_own() -> None:
    gpus = profile(sample(1, 15.0), device="NVIDIA H100")
    assert room_for(STUDY.experiments, gpus, 4, [1, 4]).lines() == []
    inferred = room_for(STUDY.experiments, profile(sample(2, 15.0), device="NVIDIA H100"), 4, [1, 2])
    assert inferred.lacking[1] == (
        "a needs 30.0 GiB a worker, by what fewer or more workers needed; expected at most 20.0 of the 20.0 GiB that "
        "there are"
    )


def test_what_failed_when_it_was_measured_is_not_planned() -> None:
    failed = replace(profile(sample(2, 1.0)), failed=(Failed(GROUP, 1, "CUDA out of memory"),))
    assert room_for(STUDY.experiments, failed, 2, [1, 2]).lacking == {
        1: "a failed when it was measured: CUDA out of memory"
    }
    assert [f.plan.strategy for f in forecasts(STUDY, failed, 2)] == ["data-parallel"]


def test_a_profile_without_memory_forbids_nothing() -> None:
    (plain,) = profile(sample(1, 0.0)).samples
    assert room_for(STUDY.experiments, profile(plain), 4, [1, 2, 4]).lines() == []
