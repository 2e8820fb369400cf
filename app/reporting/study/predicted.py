"""What a plan was said to take beside what it took, term by term."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.planning.measured import gap_s
from app.planning.plan import Plan
from app.records import StudyRecord, StudyTrial
from app.reporting.page import formatting
from app.reporting.page.markup import Column, Html, join, paragraph, section, table, text
from app.reporting.study.numbers import is_complete
from app.reporting.study.study_files import StudyRun

TERMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "startup": ("Start-up", ("start", "again")),
    "steps": ("Training steps, with waiting for data", ("steps", "new_steps")),
    "evaluation": ("Evaluation", ("evaluation", "new_evaluation")),
    "checkpoint": ("Checkpoints", ("checkpoint",)),
    "other": ("Logging, and between trials", ("other", "handover", "new_handover")),
    "idle": ("Idle", ("idle",)),
}
"""What is compared: name, and the terms of the plan that it adds up."""
TERM_OF_PHASE = {
    "startup": "startup",
    "first_batch": "startup",
    "data_wait": "steps",
    "step": "steps",
    "evaluation": "evaluation",
    "checkpoint": "checkpoint",
}


@dataclass(frozen=True)
class Prediction:
    """What one run was predicted to take; worker-seconds by the names of TERMS."""

    makespan_s: float
    low_s: float
    high_s: float
    measured_s: float
    predicted: Mapping[str, float]
    measured: Mapping[str, float]

    @property
    def worst(self) -> str:
        """The term that was off most."""
        return max(TERMS, key=lambda term: abs(self.measured[term] - self.predicted[term]))

    @property
    def held(self) -> bool:
        """Whether the makespan lies in the 80 % interval."""
        return self.low_s <= self.measured_s <= self.high_s


def prediction_of(record: StudyRecord) -> Prediction | None:
    """None where nothing was predicted, or where the study did not run as planned: not whole, or in several goes."""
    if not is_complete(record) or len(record.sessions) != 1 or not record.plan:
        return None
    try:
        expected = Plan.from_dict(record.plan).expected
    except ValueError:
        return None
    if expected is None or any(trial.record is None for trial in record.trials):
        return None
    predicted = {term: sum(expected.worker_s.get(name, 0.0) for name in names) for term, (_, names) in TERMS.items()}
    return Prediction(
        expected.makespan_s, expected.low_s, expected.high_s, record.makespan_s(), predicted, _measured(record)
    )


def _measured(record: StudyRecord) -> dict[str, float]:
    found = dict.fromkeys(TERMS, 0.0)
    for trial in record.trials:
        if trial.record is None:
            continue
        if len(trial.stints) > 1:  # its record's times are those of its last workers, and between stints others ran
            for term, worker_s in _by_stints(trial).items():
                found[term] += worker_s
            continue
        k, timings = trial.workers_per_trial, trial.record.timings
        length_s = (trial.end_s or 0.0) - (trial.start_s or 0.0)
        found["startup"] += k * (timings.startup_s + timings.first_batch_s)
        found["steps"] += k * (timings.warmup_steps_s + timings.step_s + timings.data_wait_s)
        found["evaluation"] += k * timings.evaluation_s
        found["checkpoint"] += k * timings.checkpoint_s
        handover_s = max(0.0, length_s - timings.total_s) + gap_s(trial, record)
        found["other"] += k * (timings.other_s + handover_s)
    found["idle"] = max(0.0, record.num_workers * record.makespan_s() - sum(found.values()))
    return found


def _by_stints(trial: StudyTrial) -> dict[str, float]:
    """Worker-seconds of a trial that ran in several goes, on other workers or between other members of a population;
    what no span covers is `other`."""
    found = dict.fromkeys(TERMS, 0.0)
    for stint in trial.stints:
        inside = [(s.phase, min(s.end_s, stint.end_s) - max(s.start_s, stint.start_s)) for s in trial.spans]
        spans = [(TERM_OF_PHASE.get(phase, "other"), length_s) for phase, length_s in inside if length_s > 0]
        for term, length_s in spans:
            found[term] += stint.workers_per_trial * length_s
        bare_s = max(0.0, stint.end_s - stint.start_s - sum(length_s for _, length_s in spans))
        found["other"] += stint.workers_per_trial * bare_s
    return found


def as_data(record: StudyRecord) -> dict[str, Any] | None:
    found = prediction_of(record)
    return None if found is None else {**asdict(found), "held": found.held, "worst": found.worst}


def predicted(runs: Sequence[StudyRun]) -> Html:
    """A table for each run whose plan was chosen by what it would take; nothing where there is none."""
    parts = []
    for run in runs:
        found = prediction_of(run.record)
        if found is not None:
            parts += [join(Html(f"<h3>{text(run.label)}</h3>"), paragraph(sentence(found)), _table(found))]
    return section("predicted", "Predicted and measured", *parts) if parts else Html("")


def sentence(found: Prediction) -> str:
    off = found.measured_s / found.makespan_s - 1
    name = TERMS[found.worst][0].lower()
    difference_s = found.measured[found.worst] - found.predicted[found.worst]
    than = "more" if difference_s > 0 else "less"
    return (
        f"Predicted {formatting.duration(found.makespan_s)} (80 %: {formatting.duration(found.low_s)} to "
        f"{formatting.duration(found.high_s)}), measured {formatting.duration(found.measured_s)}, {off:+.0%}: "
        f"{'within' if found.held else 'outside'} the interval. Off most was {name}: "
        f"{formatting.duration(abs(difference_s))} of a worker’s time {than} than predicted."
    )


def _table(found: Prediction) -> Html:
    columns = [Column("Worker time"), *(Column(title, True) for title in ("Predicted", "Measured", "Difference"))]
    rows: list[list[str | Html]] = []
    for term, (name, _) in TERMS.items():
        difference_s = found.measured[term] - found.predicted[term]
        sign = "+" if difference_s >= 0 else "−"
        amounts = [formatting.duration(found.predicted[term]), formatting.duration(found.measured[term])]
        rows.append([name, *amounts, f"{sign}{formatting.duration(abs(difference_s))}"])
    return table("Of all workers together", columns, rows)
