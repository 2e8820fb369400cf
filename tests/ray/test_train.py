"""Training on Ray Train: the same curve as without Ray, through a worker's death; errors that are not tried again."""

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

TOY = Path(__file__).parents[1] / "unit" / "training"
sys.path.insert(0, str(TOY))  # Ray's workers get the driver's path

from toy import toy_experiment  # noqa: E402

from app.errors import DataError, ResourceError, TrainingError  # noqa: E402
from app.execution.cluster import connection  # noqa: E402
from app.execution.trials.trial import run_trial  # noqa: E402
from app.experiment import Experiment  # noqa: E402
from app.training.order import Order  # noqa: E402

pytestmark = pytest.mark.ray


def experiment(**changes: Any) -> Experiment:
    return dataclasses.replace(toy_experiment(**changes), workload="toy:ToyWorkload")


def order(what: Experiment, folder: Path, **options: Any) -> Order:
    return Order(what, "", str(folder), time.time(), **options)


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1)), "every step once, in order"
    return [line["loss"] for line in lines]


def test_two_workers_one_of_which_dies_give_the_curve_of_one_without_ray(ray_cluster: None, tmp_path: Path) -> None:
    plain = experiment(task={"num_rows": 20}, checkpoint_every_s=1e-6)
    run_trial(order(plain, tmp_path / "local", launcher="local"))
    marker = tmp_path / "killed"
    mortal = dataclasses.replace(plain, task={"num_rows": 20, "kill_marker": str(marker)})
    record = run_trial(order(mortal, tmp_path / "ray", num_workers=2, feeding="ray"))
    assert marker.exists() and record.num_restarts == 1
    assert losses(tmp_path / "ray") == pytest.approx(losses(tmp_path / "local"), abs=1e-5)
    assert record.num_workers == 2 and record.launcher == "ray" and record.timings.startup_s > 0
    again = run_trial(order(mortal, tmp_path / "ray", num_workers=2))
    assert again == record, "a finished training is not run twice"


def test_a_loss_that_is_not_a_number_fails_at_once_and_clearly(ray_cluster: None, tmp_path: Path) -> None:
    poisoned = experiment(task={"poison_step_row": 3})
    with pytest.raises(TrainingError, match=r"the loss is nan at step \d of 9"):
        run_trial(order(poisoned, tmp_path, num_workers=2))
    assert "loss is nan" in json.loads((tmp_path / "failure.json").read_text())["failure"]
    assert not (tmp_path / "record.json").exists()
    assert len((tmp_path / "attempts.jsonl").read_text().splitlines()) == 1, "trying again would only repeat it"


def test_a_store_that_is_not_there_is_a_data_error(ray_cluster: None, tmp_path: Path) -> None:
    missing = experiment(task={"store_error": "gone"})
    with pytest.raises(DataError, match="gone"):
        run_trial(order(missing, tmp_path))


def test_more_workers_than_the_cluster_has_fail_before_anything_starts(ray_cluster: None, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"64 workers asked for, but the cluster has \d+ CPU"):
        run_trial(order(experiment(batch_size=64), tmp_path, num_workers=64))


def test_what_others_hold_is_waited_for_and_then_named(ray_cluster: None) -> None:
    began = time.monotonic()
    with pytest.raises(ResourceError, match=r"timed out after 1 s waiting for 1000 CPU \([\d.]+ of \d+ free\)"):
        connection.wait_for({"CPU": 1000.0}, wait_s=1.0)
    assert time.monotonic() - began < 30
