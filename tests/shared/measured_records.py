"""Records of trainings that were never run, with times that are easy to reckon with."""

from dataclasses import replace

from app.experiment import Experiment
from app.records import Session, StudyRecord, StudyTrial, Timings, TrialRecord

LIKE = Experiment(name="a", workload="w", batch_size=4, epochs=2)


def record(name: str = "a", k: int = 1, step_s: float = 2.0, **changes: object) -> TrialRecord:
    """Two epochs of 10 steps, of which 18 were timed; start-up 5 s, the ends of both epochs 4 s."""
    timings = Timings(
        startup_s=4, first_batch_s=1, data_wait_s=1.8, step_s=18 * (step_s - 0.1), evaluation_s=3, checkpoint_s=1,
        num_timed_steps=18, total_s=9.0 + 18 * step_s,
    )  # fmt: skip
    made = TrialRecord(
        name=name, status="finished", experiment=replace(LIKE, name=name).to_dict(), store="s", num_workers=k,
        launcher="local", device="gpu", global_batch_size=4, num_steps=20, num_parameters=1000, numerics={},
        timings=timings, samples_per_s=None, samples_per_s_per_worker=None, waiting_share=None, binding_limit="compute",
        metrics={}, versions={"torch": "2"}, host={"num_cores": 2},
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def two_at_once() -> StudyRecord:
    """a and b side by side from the command on, then c alone on a's lane, half a second later; each is known to have
    ended 2 s after it has. The command ends 3 s after c."""
    spans = {"a": (0, 0.0, 47.0), "b": (1, 0.0, 47.0), "c": (0, 47.5, 94.5)}
    trials = tuple(
        StudyTrial(name, "finished", 0, lane, 1, start, end, 1, record=record(name))
        for name, (lane, start, end) in spans.items()
    )
    return StudyRecord("s", "finished", "experiment-parallel", {}, 2, "CPU", (Session(0, 97.5),), trials)
