"""Studies made by hand: folders of files as the runner writes them, whose every number is known."""

import json
from pathlib import Path
from typing import Any

from app.records import Session, Span, StudyRecord, StudyTrial, Timings, TrialRecord
from app.run_folder.run import RECORD as RUN_RECORD
from app.run_folder.study import RECORD as STUDY_RECORD
from app.workloads.brats.declaration import BRATS

START_S = 1_700_000_000.0
"""Time of day at which a made study begins."""
NUM_EPOCHS = 6
RATES = (1e-4, 5e-4, 1e-3, 5e-3)


def trial_name(number: int) -> str:
    return f"lr{RATES[number % len(RATES)]:g}-{'batch' if number < len(RATES) else 'instance'}"


def experiment(number: int) -> dict[str, Any]:
    return {
        "name": trial_name(number),
        "workload": "brats",
        "task": {"network": "unet3d", "norm": "batch" if number < len(RATES) else "instance"},
        "seed": 7,
        "epochs": NUM_EPOCHS,
        "batch_size": 4,
        "batch_rule": "fixed-global",
        "optimizer": {"name": "adam", "learning_rate": RATES[number % len(RATES)]},
    }


def spans(start_s: float, timings: Timings) -> tuple[Span, ...]:
    """Start-up, first batch, then rounds of steps and evaluation, at last the checkpoint."""
    found = [("startup", timings.startup_s), ("first_batch", timings.first_batch_s)]
    for _ in range(3):
        found += [
            ("data_wait", timings.data_wait_s / 3),
            ("step", (timings.warmup_steps_s + timings.step_s) / 3),
            ("evaluation", timings.evaluation_s / 3),
        ]
    found += [("checkpoint", timings.checkpoint_s), ("other", timings.other_s)]
    made, reached = [], start_s
    for phase, seconds in found:
        if seconds > 0:
            made.append(Span(phase, reached, reached + seconds))
            reached += seconds
    return tuple(made)


def timings_of(startup_s: float, step_s: float, k: int) -> Timings:
    """Everything but start-up divides by the workers."""
    parts = {
        "startup_s": startup_s,
        "first_batch_s": 0.5,
        "data_wait_s": 2.0 / k,
        "warmup_steps_s": 3.0 / k,
        "step_s": step_s / k,
        "evaluation_s": 6.0 / k,
        "checkpoint_s": 1.0,
        "other_s": 0.5,
    }
    return Timings(**parts, total_s=sum(parts.values()), num_warmup_steps=3, num_timed_steps=57)


def dice(number: int, epoch: int = NUM_EPOCHS) -> float:
    """Best for the third rate; it rises over the epochs."""
    return (0.8 - 0.1 * abs(number % len(RATES) - 2) - (0.05 if number < len(RATES) else 0.0)) * epoch / NUM_EPOCHS


def trial_record(number: int, k: int, timings: Timings, shift: float = 0.0) -> TrialRecord:
    score = dice(number) + shift
    return TrialRecord(
        name=trial_name(number),
        status="finished",
        experiment=experiment(number),
        store="/data/store",
        num_workers=k,
        launcher="ray",
        device="cpu",
        global_batch_size=4,
        num_steps=60,
        num_parameters=351_809,
        numerics={"precision": "fp32", "channels_last": False},
        timings=timings,
        samples_per_s=8.0 * k,
        samples_per_s_per_worker=8.0,
        waiting_share=0.02,
        binding_limit="compute",
        metrics={"epoch": NUM_EPOCHS, "step": 60, "dice": score, "dice_WT": score + 0.05, "hd95_mm_WT": 4.0},
        versions={"python": "3.11.2", "torch": "2.15.0", "ray": "3.0"},
        scores=BRATS.scores,
        host={"name": "box", "num_cores": 4},
    )


def study(
    strategy: str, k: int, num_workers: int = 4, num_trials: int = 8, startup_s: float = 5.0, shift: float = 0.0
) -> StudyRecord:
    """Trials of unequal length one after the other on num_workers / k lanes, each in the lane that is free first."""
    free_s = [START_S + 3.0] * (num_workers // k)  # three seconds pass before the first trial
    trials = []
    for number in range(num_trials):
        lane = min(range(len(free_s)), key=lambda i: free_s[i])
        timings = timings_of(startup_s, 30.0 + 8.0 * (number % 3), k)
        start_s, end_s = free_s[lane], free_s[lane] + timings.total_s
        free_s[lane] = end_s
        trials.append(
            StudyTrial(
                name=trial_name(number),
                status="finished",
                stage=0,
                lane=lane,
                workers_per_trial=k,
                start_s=start_s,
                end_s=end_s,
                num_attempts=1,
                record=trial_record(number, k, timings, shift),
                spans=spans(start_s, timings),
            )
        )
    return StudyRecord(
        name="seed-grid",
        status="finished",
        strategy=strategy,
        plan={"study": "seed-grid", "num_workers": num_workers, "strategy": strategy, "stages": []},
        num_workers=num_workers,
        worker_kind="CPU",
        sessions=(Session(START_S, max(free_s) + 1.0),),
        trials=tuple(trials),
        best_trial=trial_name(min(6, num_trials - 1)),
        score="dice",
        versions={"python": "3.11.2", "torch": "2.15.0", "ray": "3.0"},
        host={"name": "box", "num_cores": 4, "memory_bytes": 24 * 2**30},
    )


def curve(number: int, noise: float = 0.0) -> str:
    """metrics.jsonl of a trial."""
    lines = [
        {
            "epoch": epoch,
            "step": 10 * epoch,
            "loss": 1.0 / (epoch + number % len(RATES) + 1) + noise * epoch,
            **({"dice": dice(number, epoch)} if epoch % 2 == 0 else {}),
            "elapsed_s": 10.0 * epoch,
        }
        for epoch in range(1, NUM_EPOCHS + 1)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def cases_csv(number: int, shift: float = 0.0, num_cases: int = 20) -> str:
    """Scores of test cases; `shift` moves all of them."""
    rows = [f"CASE_{case:03d},{dice(number) - 0.1 + 0.01 * case + shift:.6g}" for case in range(num_cases)]
    return "\n".join(["case,dice", *rows]) + "\n"


def study_files(record: StudyRecord, noise: float = 0.0) -> dict[str, bytes]:
    """The files of a study's folder by their names in it."""
    files = {"record.json": STUDY_RECORD.text(record)}
    for number, trial in enumerate(record.trials):
        if trial.status == "waiting" and trial.start_s is None:
            continue
        folder = f"trials/{trial.name}"
        files[f"{folder}/config.json"] = json.dumps(experiment(number))
        files[f"{folder}/metrics.jsonl"] = curve(number, noise)
        if trial.record is not None:
            files[f"{folder}/record.json"] = RUN_RECORD.text(trial.record)
    return {name: content.encode() for name, content in files.items()}


def write_study(folder: Path, record: StudyRecord, noise: float = 0.0, more: dict[str, str] | None = None) -> Path:
    """The same on disk."""
    extra = {name: content.encode() for name, content in (more or {}).items()}
    for name, content in {**study_files(record, noise), **extra}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
