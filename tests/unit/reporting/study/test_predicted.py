"""Predicted beside measured, in numbers that are worked out by hand."""

from dataclasses import replace

import pytest
from measured_records import LIKE, record, two_at_once

from app.configuration import to_dict
from app.experiment import Study
from app.planning.forecast import forecasts
from app.planning.measured import profile_of
from app.planning.plan import Expected, Plan, Stage
from app.records import Session, Span, Stint, StudyRecord, StudyTrial, Timings
from app.reporting.study.predicted import as_data, prediction_of, sentence

SAID = {
    "start": 8.0,
    "again": 2.0,
    "steps": 120.0,
    "evaluation": 30.0,
    "checkpoint": 3.0,
    "handover": 2.0,
    "idle": 30.0,
}


def planned(low_s: float = 80.0, high_s: float = 100.0) -> StudyRecord:
    """Two workers for 97.5 s, three trials of 47."""
    plan = Plan("s", 2, "x", (Stage(1, 2, ("a", "b", "c")),), expected=Expected(90.0, low_s, high_s, SAID))
    return replace(two_at_once(), plan=to_dict(plan))


def test_terms_by_hand_and_the_one_that_was_off_most() -> None:
    found = prediction_of(planned())
    assert found is not None
    steps_s = 1.8 + 18 * 1.9
    # what is not of the phases: 47 s less those of total_s, 45 s, for each of three trials; half a second before c
    expected = {"startup": 15.0, "steps": 3 * steps_s, "evaluation": 9.0, "checkpoint": 3.0, "other": 6.5}
    assert {k: v for k, v in found.measured.items() if k != "idle"} == pytest.approx(expected)
    assert found.measured["idle"] == pytest.approx(195 - 3 * 47 - 0.5)
    assert found.predicted == {
        "startup": 10.0, "steps": 120.0, "evaluation": 30.0, "checkpoint": 3.0, "other": 2.0, "idle": 30.0,
    }  # fmt: skip
    assert found.worst == "idle"
    assert found.held
    assert "measured 1 min 38 s, +8%: within the interval. Off most was idle: 23.5 s" in sentence(found)


def test_a_trial_that_got_another_worker_counts_each_stretch_by_its_own() -> None:
    """c: 5 s of start-up, 20 of steps and 2 in no span on one worker; then 4, 15 and 1 on both."""
    study = planned()
    before, after = Stint(0, 1, 47.5, 74.5), Stint(0, 2, 74.5, 94.5)
    spans = (
        *(Span("startup", 47.5, 51.5), Span("first_batch", 51.5, 52.5), Span("step", 52.5, 72.5)),
        *(Span("startup", 74.5, 78.5), Span("data_wait", 78.5, 79.5), Span("step", 79.5, 93.5)),
    )
    c = replace(study.trials[2], workers_per_trial=2, stints=(before, after), spans=spans)
    c = replace(c, record=record("c", 2, earlier_num_workers=(1,)))
    widened = replace(study, trials=(*study.trials[:2], c))
    found, two = prediction_of(widened), prediction_of(study)
    assert found is not None and two is not None
    assert found.measured["startup"] == pytest.approx(10 + 5 + 2 * 4)
    assert found.measured["steps"] == pytest.approx(two.measured["steps"] * 2 / 3 + 20 + 2 * 15)
    assert found.measured["other"] == pytest.approx(2 * 2.0 + 2 + 2 * 1)
    (sample,) = {s.workers for s in profile_of([(widened, {})]).samples}
    assert sample == 1, "its times are of both widths: no sample of either"


def test_between_its_rounds_a_member_of_a_population_has_no_worker() -> None:
    """c: two rounds of 10 and 12 s with 20 s between them, and 1 s in no span."""
    study = planned()
    rounds = Stint(0, 1, 47.5, 57.5), Stint(0, 1, 77.5, 89.5)
    spans = (
        Span("startup", 47.5, 51.5),
        Span("step", 51.5, 57.5),
        Span("step", 77.5, 85.5),
        Span("evaluation", 85.5, 88.5),
    )
    c = replace(study.trials[2], stints=rounds, spans=spans, record=record("c"))
    population = replace(study, trials=(*study.trials[:2], c))
    found, two = prediction_of(population), prediction_of(study)
    assert found is not None and two is not None
    for term, of_c in {"startup": 4.0, "steps": 14.0, "evaluation": 3.0}.items():
        assert found.measured[term] == pytest.approx(two.measured[term] * 2 / 3 + of_c)
    assert found.measured["idle"] == pytest.approx(195 - 2 * 47 - 22)
    assert len(profile_of([(population, {})]).samples) == 2, "the times of its record are not those of one go"


def test_a_study_that_takes_what_was_measured_is_off_in_no_term() -> None:
    """Of four warm-up steps of 1 s more than later ones, too: they are steps on both sides."""
    timings = Timings(
        startup_s=5, warmup_steps_s=12, num_warmup_steps=4, step_s=32, num_timed_steps=16, evaluation_s=3,
        checkpoint_s=1, total_s=53,
    )  # fmt: skip
    ran = record("a", timings=timings)
    trial = StudyTrial("a", "finished", 0, 0, 1, 0.0, 54.0, 1, record=ran)
    study = StudyRecord("s", "finished", "x", {}, 1, "CPU", (Session(0, 57),), (trial,))
    (found,) = forecasts(Study("s", (LIKE,)), profile_of([(study, {})]), 1)
    prediction = prediction_of(replace(study, plan=to_dict(found.plan)))
    assert prediction is not None
    assert prediction.measured == pytest.approx(
        {"startup": 5, "steps": 44, "evaluation": 3, "checkpoint": 1, "other": 1, "idle": 3}
    )
    assert prediction.predicted == pytest.approx(prediction.measured)


def test_a_makespan_beyond_its_interval_says_so() -> None:
    data = as_data(planned(high_s=95.0))
    assert data is not None
    assert (data["held"], data["worst"]) == (False, "idle")


def test_where_nothing_was_predicted_or_not_all_ran_there_is_nothing_to_compare() -> None:
    assert prediction_of(two_at_once()) is None
    assert prediction_of(replace(planned(), status="failed")) is None
    twice = replace(planned(), sessions=planned().sessions * 2)
    assert prediction_of(twice) is None
    assert record().predicted_s is None
