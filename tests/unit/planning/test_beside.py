"""Work on CPUs that training leaves free, and what waits for it."""

from dataclasses import replace

import pytest
from measured_records import LIKE, record

from app.experiment import Study
from app.planning.beside import Beside, HeadStart, free_cores, head_starts, waiting_last
from app.planning.choice import Candidate
from app.planning.forecast import forecasts
from app.planning.measured import profile_of
from app.planning.plan import Expected, Plan, Stage, check
from app.planning.profile import Profile, Setting

STUDY = Study("s", tuple(replace(LIKE, name=name) for name in ("text-0", "image-0", "text-1", "image-1")))
OCR = Beside("ocr", 36_000, 2.0, ("text-*",))
PLAN = Plan("s", 2, "x", (Stage(1, 2, ("image-0", "image-1", "text-0", "text-1")),))
STARTS = {"image-0": 5.0, "image-1": 5.0, "text-0": 905.0, "text-1": 905.0}


def test_what_is_written() -> None:
    assert Beside.parse("ocr=36000@2:text-*") == OCR
    assert Beside.parse("prepare=1.5e3@0.5:a,b").patterns == ("a", "b")
    for wrong in ("ocr", "ocr=5:a", "ocr=5@2", "ocr=0@2:a", "ocr=5@inf:a", "=5@2:a", "ocr=x@2:a"):
        with pytest.raises(ValueError, match=r"--beside: got .* expected NAME=AMOUNT@RATE:TRIALS"):
            Beside.parse(wrong)


def test_what_starts_from_a_trial_that_waits_waits_too() -> None:
    later = replace(LIKE, name="image-2", starts_from="text-1")
    assert OCR.waiting(replace(STUDY, experiments=(*STUDY.experiments, later))) == {"text-0", "text-1", "image-2"}


def test_cores_that_are_left() -> None:
    """Six workers on nodes of four GPUs and 16 cores: two nodes, 32 cores less six."""
    (sample,) = profile_of([], [record()]).samples
    gpus = Profile(Setting("NVIDIA H100", 16), (sample,), workers_on_node=4)
    assert free_cores(gpus, 6) == 26
    with pytest.raises(ValueError, match=r"4 workers on cpu, 16 cores, .* leave none of 16: do it before the study"):
        free_cores(replace(gpus, setting=Setting("cpu", 16), workers_on_node=16), 4)


def test_a_head_start_by_hand() -> None:
    """36,000 at 2 a second: 18,000 s of a core. On 20 cores 900 s, before text begins after 905; on 10 it takes 895 s
    more. Where all may take a tenth less, text may begin after 814.5 s."""
    (enough,) = head_starts([OCR], STUDY, PLAN, STARTS, 20)
    assert (enough.takes_s, enough.needed_s, enough.before_s) == (900.0, 905.0, 0.0)
    (late,) = head_starts([OCR], STUDY, PLAN, STARTS, 10)
    assert late.before_s == pytest.approx(895.0)
    sure = replace(PLAN, expected=Expected(1000.0, 900.0, 1100.0, {}))
    assert head_starts([OCR], STUDY, sure, STARTS, 20)[0].before_s == pytest.approx(85.5)
    second = Beside("prepare", 100.0, 1.0, ("image-0",))
    both = head_starts([OCR, second], STUDY, PLAN, STARTS, 20)
    assert both[1] == HeadStart("prepare", 905.0, 5.0), "one after the other"


def test_what_waits_goes_last_and_the_head_start_is_part_of_the_time() -> None:
    profile = profile_of([], [record(), record(k=2, step_s=1.2)])
    waiting = OCR.waiting(STUDY)
    for one in forecasts(STUDY, profile, 2, waiting=waiting):
        check(one.plan, STUDY)
        order = [name in waiting for stage in one.plan.stages for name in stage.trials]
        assert [*order] == sorted(order) or len(one.plan.stages) > 1
        for stage in one.plan.stages:
            inside = [name in waiting for name in stage.trials]
            assert inside == sorted(inside)
        later = one.after(100.0)
        assert later.makespan_s == pytest.approx(one.makespan_s + 100.0)
        assert later.worker_hours == pytest.approx(one.worker_hours), "workers are not held before the study"


def test_stages_in_which_something_waits_come_last() -> None:
    stages = (Stage(1, 2, ("text-0", "image-0")), Stage(2, 1, ("image-1",)))
    found = waiting_last(Candidate("x", stages, 1.0), {"text-0"}, STUDY)
    assert found.stages == (Stage(2, 1, ("image-1",)), Stage(1, 2, ("image-0", "text-0")))
    chained = replace(STUDY, experiments=(*STUDY.experiments[:3], replace(LIKE, name="image-1", starts_from="image-0")))
    assert [s.workers_per_trial for s in waiting_last(Candidate("x", stages, 1.0), {"text-0"}, chained).stages] == [
        1,
        2,
    ]
