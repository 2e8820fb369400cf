"""The loop on two workers: the same result as on one, and the time that they give to each other."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from toy import ToyWorkload, toy_experiment
from toy_runs import DiesAtStep, lines, losses, run


class SlowOn(ToyWorkload):
    """Takes its time over each batch on one worker; the other waits for it."""

    def __init__(self, is_slow: bool) -> None:
        self._is_slow = is_slow

    def to_inputs(self, *args: Any) -> Any:
        time.sleep(0.2 if self._is_slow else 0.0)
        return super().to_inputs(*args)


def _worker(rank: int, world_size: int, folder: str) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder}/rendezvous"
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world_size)
    for name, changes in ON_TWO_WORKERS.items():
        run(toy_experiment(checkpoint_every_s=1e-9, **changes), Path(folder, name))
    told = run(toy_experiment(checkpoint_every_s=1e9), Path(folder, "slow"), SlowOn(rank == 1)).timings
    Path(folder, f"slow-{rank}.json").write_text(json.dumps([told.synchronising_share, told.step_s]))
    torch.distributed.destroy_process_group()
    # At the interpreter's end a thread of gloo's aborted one process in some fifty; what is tested is on disk by now.
    os._exit(0)


ON_TWO_WORKERS: dict[str, dict[str, Any]] = {"whole": {}, "micro-batches": {"max_micro_batch_size": 1}, "cut": {}}
"""By folder, what two workers train; one that was alone has cut the last off."""


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two workers have trained all of ON_TWO_WORKERS."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.raises(KeyboardInterrupt):
        run(toy_experiment(checkpoint_every_s=1e-9), folder / "cut", DiesAtStep(4))
    assert list(losses(folder / "cut")) == [1, 2, 3, 4], "of 9"
    torch.multiprocessing.spawn(_worker, (2, str(folder)), nprocs=2, join=True)
    return folder


@pytest.mark.parametrize("name", ["whole", "micro-batches"])
def test_two_workers_train_as_one_does(by_two: Path, tmp_path: Path, name: str) -> None:
    run(toy_experiment(checkpoint_every_s=1e-9, **ON_TWO_WORKERS[name]), tmp_path)
    one, two = losses(tmp_path), losses(by_two / name)
    assert list(two.values()) == pytest.approx(list(one.values()), abs=1e-5)
    metrics = [lines(folder, "metrics.jsonl") for folder in (tmp_path, by_two / name)]
    assert [m["accuracy"] for m in metrics[0]] == [m["accuracy"] for m in metrics[1]]


def test_resumes_on_another_number_of_workers(by_two: Path, tmp_path: Path) -> None:
    run(toy_experiment(checkpoint_every_s=1e-9), tmp_path)
    whole, cut = losses(tmp_path), losses(by_two / "cut")
    assert list(cut.values()) == pytest.approx(list(whole.values()), abs=1e-5)


def test_who_waits_for_a_slower_worker_is_said_to_synchronise(by_two: Path) -> None:
    (waiting, waiting_s), (slow, _) = (json.loads((by_two / f"slow-{rank}.json").read_text()) for rank in (0, 1))
    assert waiting_s > 0
    assert waiting > 0.5, "of 200 ms a step all but what it computes itself"
    assert slow < waiting / 2


def test_one_worker_synchronises_with_nobody(tmp_path: Path) -> None:
    assert run(toy_experiment(), tmp_path).timings.synchronising_share == 0.0
