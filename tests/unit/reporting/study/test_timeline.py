"""The time of every worker: nothing counted twice, nothing lost."""

import dataclasses
import itertools

import pytest
from drawn_study import any_study
from hypothesis import given
from made_study import study, timings_of, trial_record

from app.records import Session, Span, Stint, StudyRecord, StudyTrial
from app.reporting.study.timeline import KINDS, Clock, Segment, kind_shares, occupied_s, trial_segments, worker_rows

SESSIONS = (Session(100.0, 160.0), Session(1000.0, 1040.0))


def trial(start_s: float | None, end_s: float | None, **changes: object) -> StudyTrial:
    made = StudyTrial("a", "finished", 0, 0, 1, start_s, end_s, num_attempts=1)
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def record_of(trials: list[StudyTrial], num_workers: int, sessions: tuple[Session, ...] = SESSIONS) -> StudyRecord:
    return StudyRecord("s", "finished", "hybrid:2", {}, num_workers, "CPU", sessions, tuple(trials))


@pytest.mark.parametrize(
    ("time", "expected"), [(90.0, 0), (100.0, 0), (130.0, 30), (160.0, 60), (500.0, 60), (1010.0, 70), (2000.0, 100)]
)
def test_the_clock_stands_still_between_sessions(time: float, expected: float) -> None:
    assert Clock(SESSIONS).place(time) == expected
    assert Clock(SESSIONS).total_s == 100.0 and Clock(SESSIONS).restarts_s == [60.0]


def test_sessions_that_overlap_count_once() -> None:
    assert Clock((Session(0, 10), Session(5, 12), Session(3, 4))).total_s == 12


def test_spans_become_kinds_and_what_is_between_them_is_other() -> None:
    spans = (Span("startup", 100, 110), Span("step", 112, 130), Span("first_batch", 110, 111))
    assert trial_segments(trial(100, 140, spans=spans), Clock(SESSIONS)) == [
        Segment(0, 10, "startup", "a"),
        Segment(10, 11, "waiting", "a"),
        Segment(11, 12, "other", "a"),
        Segment(12, 30, "compute", "a"),
        Segment(30, 40, "other", "a"),
    ]


def test_members_of_a_population_share_lanes_in_turns() -> None:
    turns = {"a": (Stint(0, 1, 100, 110), Stint(1, 1, 130, 140)), "b": (Stint(0, 1, 110, 130),)}
    trials = [trial(100, 140, name=name, stints=stints) for name, stints in turns.items()]
    rows = worker_rows(record_of(trials, 2, SESSIONS[:1]))
    assert [[(s.start_s, s.end_s, s.trial) for s in row] for row in rows] == [
        [(0, 10, "a"), (10, 30, "b"), (30, 60, None)],
        [(0, 30, None), (30, 40, "a"), (40, 60, None)],
    ]
    assert occupied_s(trials[0], Clock(SESSIONS)) == 20
    of_last_part = trial_record(0, 1, timings_of(5.0, 20.0, 1))
    spans = (Span("step", 100, 110), Span("evaluation", 130, 140))
    member = trial(100, 140, stints=turns["a"], record=of_last_part, spans=spans)
    assert kind_shares(member, Clock(SESSIONS))["compute"] == 0.5, "its timings are those of the last round alone"


def test_a_trial_that_went_on_after_a_restart_waits_until_its_turn() -> None:
    spans = (Span("step", 150, 160), Span("startup", 1020, 1025), Span("step", 1025, 1030))
    found = trial_segments(trial(150, 1030, spans=spans), Clock(SESSIONS))
    assert [(s.start_s, s.end_s, s.kind) for s in found] == [
        (50, 60, "compute"),
        (80, 85, "startup"),
        (85, 90, "compute"),
    ]
    assert occupied_s(trial(150, 1030, spans=spans), Clock(SESSIONS)) == 20


def test_a_trial_under_way_lasts_until_the_last_sign_of_the_study() -> None:
    under_way = trial(1030, None, status="waiting")
    assert trial_segments(under_way, Clock(SESSIONS)) == [Segment(90, 100, "other", "a")]
    assert trial_segments(trial(None, None), Clock(SESSIONS)) == []


def test_without_spans_the_timings_tell() -> None:
    timings = timings_of(5.0, 20.0, 1)  # 38 s in all
    finished = trial(100, 150, record=trial_record(0, 1, timings))
    kinds = [segment.kind for segment in trial_segments(finished, Clock(SESSIONS))]
    assert kinds[0] == "startup" and kinds[-1] == "other"
    assert kind_shares(finished, Clock(SESSIONS))["compute"] == pytest.approx(23 / 50)
    assert kind_shares(finished, Clock(SESSIONS))["other"] == pytest.approx((0.5 + 12) / 50)


def test_of_several_attempts_the_spans_tell_and_not_the_timings_of_the_last() -> None:
    spans = (Span("startup", 100, 120), Span("step", 120, 150))
    again = trial(100, 150, record=trial_record(0, 1, timings_of(5.0, 20.0, 1)), spans=spans, num_attempts=2)
    assert kind_shares(again, Clock(SESSIONS))["startup"] == pytest.approx(20 / 50)


def test_gaps_are_idle_and_both_workers_of_a_trial_are_busy() -> None:
    sessions = (Session(0, 10),)
    trials = [trial(2, 5, name="a", lane=0, workers_per_trial=2), trial(4, 10, name="b", lane=1, workers_per_trial=2)]
    rows = worker_rows(record_of(trials, 5, sessions))
    expected = [(0, 2, None), (2, 5, "a"), (5, 10, None)]
    assert [[(s.start_s, s.end_s, s.trial) for s in row] for row in rows[:2]] == [expected, expected]
    assert [[(s.start_s, s.end_s, s.trial) for s in row] for row in rows[2:4]] == [[(0, 4, None), (4, 10, "b")]] * 2
    assert rows[4] == (Segment(0, 10, "idle"),)


def test_a_worker_that_is_not_there_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"trial a ran on worker 2 \(lane 1, 2 workers a trial\).*one of the study's 2"
    ):
        worker_rows(record_of([trial(100, 110, lane=1, workers_per_trial=2)], 2))


@pytest.mark.parametrize(("strategy", "k"), [("experiment-parallel", 1), ("hybrid:2", 2), ("data-parallel", 4)])
def test_the_time_of_each_kind_is_that_of_the_trials(strategy: str, k: int) -> None:
    made = study(strategy, k)
    rows = worker_rows(made)
    busy = sum(s.length_s for row in rows for s in row if s.trial is not None)
    assert busy == pytest.approx(sum(k * t.record.timings.total_s for t in made.trials if t.record))
    compute = sum(s.length_s for row in rows for s in row if s.kind == "compute")
    assert compute == pytest.approx(8 * 3 + 3 * 30 + 3 * 38 + 2 * 46)  # the same under every strategy


@given(any_study())
def test_every_worker_has_one_thing_to_do_at_a_time_from_beginning_to_end(made: StudyRecord) -> None:
    total_s = Clock(made.sessions).total_s
    rows = worker_rows(made)
    assert len(rows) == made.num_workers
    for row in rows:
        assert all(a.end_s == b.start_s for a, b in itertools.pairwise(row))
        assert all(segment.length_s > 0 and segment.kind in KINDS for segment in row)
        assert (row[0].start_s, row[-1].end_s) == (0, total_s) if row else total_s == 0
        assert all((segment.kind == "idle") == (segment.trial is None) for segment in row)
