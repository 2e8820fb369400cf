"""The time of a training that was begun again: all of it is in the record, what was done twice as lost."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import ToyWorkload, toy_experiment

from app.execution.trials.earlier import with_earlier
from app.execution.trials.trial_worker import TrialWorker
from app.records import Span, Timings
from app.run_folder.contents import Attempt
from app.run_folder.run import ATTEMPTS, SPANS
from app.training.context import LocalContext
from app.training.order import Order

PAUSE_S = 0.5
EVALUATION_S = 0.2


class Slow(ToyWorkload):
    """Evaluates the first of its cases for a known time."""

    def evaluate_cases(self, task: Any, model: Any, store: str, case_ids: list[str], *more: Any) -> Any:
        if "0" in case_ids:
            time.sleep(EVALUATION_S)
        return super().evaluate_cases(task, model, store, case_ids, *more)


def test_the_record_has_the_time_of_all_attempts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three epochs; the second is trained twice, for the checkpoint after it is gone."""
    for module in ("trial_worker", "record"):
        monkeypatch.setattr(f"app.execution.trials.{module}.find_workload", lambda _: Slow())
    monkeypatch.setattr("app.execution.trials.record.find_declaration", lambda _: None)
    monkeypatch.setattr("gc.freeze", lambda: None)  # of a worker’s process, not of this one
    worker = TrialWorker(lambda _: LocalContext(torch.device("cpu")))
    began_s = time.time()
    worker.begin(Order(toy_experiment(), "", str(tmp_path), began_s, launcher="local"))
    worker.advance()
    shutil.copytree(tmp_path / "checkpoint", tmp_path / "kept")
    worker.advance()
    least_s = time.time() - began_s
    worker.end()
    shutil.rmtree(tmp_path / "checkpoint")
    (tmp_path / "kept").rename(tmp_path / "checkpoint")
    first_s = time.time() - began_s
    time.sleep(PAUSE_S)
    again_s = time.time()
    assert worker.begin(Order(toy_experiment(), "", str(tmp_path), again_s, launcher="local")) == 1
    worker.advance()
    worker.advance()
    least_s += time.time() - again_s
    worker.finish()
    second_s = time.time() - again_s
    timings = json.loads((tmp_path / "record.json").read_text())["timings"]
    elapsed_s = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])["elapsed_s"]
    assert least_s - 0.1 < timings["total_s"] <= first_s + second_s, "and not the pause"
    assert EVALUATION_S <= timings["lost_s"] < first_s - EVALUATION_S
    assert timings["total_s"] == pytest.approx(elapsed_s + timings["lost_s"], abs=0.1)
    assert 3 * EVALUATION_S <= timings["evaluation_s"] < 3 * EVALUATION_S + 0.15, "of three epochs, not of four"
    phases = sum(seconds for name, seconds in timings.items() if name.endswith("_s") and name != "total_s")
    assert phases == pytest.approx(timings["total_s"], abs=1e-6)


@pytest.mark.parametrize(("paused", "lost_s"), [(True, 0.0), (False, 6.0)])
def test_what_ran_until_a_pause_is_not_lost(tmp_path: Path, paused: bool, lost_s: float) -> None:
    """A member of a population ran for 10 s, then took over a network with 4 s of training behind it."""
    first = Attempt(100.0, 100.0, last_sign_s=110.0, paused=paused)
    ATTEMPTS.write(str(tmp_path), [first, Attempt(100.0, 120.0, trained_s=4.0)])
    SPANS.write(str(tmp_path), [Span("startup", 100.0, 103.0), Span("steps", 103.0, 110.0)])
    last = Timings(total_s=5.0, other_s=5.0)
    timings = with_earlier(last, str(tmp_path))
    assert timings.total_s == pytest.approx(15.0)
    assert timings.lost_s == pytest.approx(lost_s)
    assert timings.startup_s == pytest.approx(3.0)
