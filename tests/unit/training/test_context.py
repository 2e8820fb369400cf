"""What a training sees of the world around it where torchrun has started it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from toy import ToyWorkload, toy_experiment

from app.training import context
from app.training.context import LocalContext
from app.training.loop import train
from app.training.order import Order

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[3]
WORKER = """
import json, os, sys, time
import torch
from toy import ToyWorkload, toy_experiment
from app.training.context import LocalContext
from app.training.loop import train
from app.training.order import Order

torch.set_num_threads(1)
folder = sys.argv[1]
context = LocalContext(torch.device("cpu"))
values = torch.full((2,), context.rank + 5.0)
total = context.sum(values).tolist()
context.broadcast([values])
found = [context.rank, context.world_size, total, context.gather(f"from {context.rank}"), values.tolist()]
with open(f"{folder}/{context.rank}.json", "w") as file:
    json.dump(found, file)
train(Order(toy_experiment(), "", f"{folder}/run", time.time()), ToyWorkload(), context)
torch.distributed.destroy_process_group()
os._exit(0)  # a thread of gloo's may abort the interpreter's end; what is tested is on disk by now
"""


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "steps.jsonl").read_text().splitlines()]


def test_two_processes_of_torchrun_are_two_workers_of_one_training(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    paths = [str(ROOT), str(Path(__file__).parent)]
    done = subprocess.run(
        [*launcher, str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found == [rank, 2, [11.0, 11.0], ["from 0", "from 1"], [5.0, 5.0]]
    train(Order(toy_experiment(), "", str(tmp_path / "alone"), time.time()), ToyWorkload(), LocalContext(CPU))
    assert len(losses(tmp_path / "run")) == 9
    assert losses(tmp_path / "run") == pytest.approx(losses(tmp_path / "alone"), abs=1e-5)


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    alone, model = LocalContext(CPU), torch.nn.Linear(1, 1)
    assert (alone.rank, alone.world_size, alone.gather("x")) == (0, 1, ["x"])
    assert alone.wrap(model) is model
    values = torch.tensor([2.0], requires_grad=True)
    total = alone.sum(values)
    assert total.tolist() == [2.0] and not total.requires_grad
    total += 1
    assert values.tolist() == [2.0], "a copy"


@pytest.mark.parametrize(("local_rank", "num_gpus", "expected"), [("1", 2, 1), ("3", 2, 1), (None, 4, 0)])
def test_each_process_of_a_host_has_a_gpu_of_its_own_by_torchruns_number(
    monkeypatch: pytest.MonkeyPatch, local_rank: str | None, num_gpus: int, expected: int
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: num_gpus)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local_rank is not None:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    assert context.default_device() == torch.device("cuda", expected)
