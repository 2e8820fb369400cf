"""Studies drawn at random, sensible or not, for what has to hold of all of them."""

from hypothesis import strategies as st
from made_study import timings_of, trial_record

from app.records import Session, Span, StudyRecord, StudyTrial

times = st.floats(0, 1000, allow_nan=False).map(lambda t: round(t, 3))


@st.composite
def any_trial(draw: st.DrawFn, number: int, num_workers: int) -> StudyTrial:
    k = draw(st.integers(1, num_workers))
    lane = draw(st.integers(0, num_workers // k - 1))
    start, end = sorted((draw(times), draw(times)))
    phases = st.sampled_from(["startup", "step", "data_wait", "evaluation", "unheard-of"])
    spans = draw(st.lists(st.builds(Span, phases, times, times), max_size=5))
    record = trial_record(0, k, timings_of(draw(times), draw(times), k)) if draw(st.booleans()) else None
    return StudyTrial(
        f"t{number}",
        "finished",
        0,
        lane,
        k,
        draw(st.sampled_from([None, start])),
        draw(st.sampled_from([None, end])),
        draw(st.integers(1, 2)),
        record=record,
        spans=tuple(spans),
    )


@st.composite
def any_study(draw: st.DrawFn) -> StudyRecord:
    num_workers = draw(st.integers(1, 5))
    trials = [draw(any_trial(number, num_workers)) for number in range(draw(st.integers(0, 4)))]
    sessions = draw(st.lists(st.builds(Session, times, times), max_size=3))
    return StudyRecord("s", "finished", "plan:drawn", {}, num_workers, "CPU", tuple(sessions), tuple(trials))
