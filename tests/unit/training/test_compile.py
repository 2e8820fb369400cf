"""With compile=True the training is the same one: its curve, and checkpoints that know nothing of the compiler."""

import json
import shutil
import time
from pathlib import Path

import pytest
import torch
from toy import ToyWorkload, toy_experiment

from app.training import checkpoint
from app.training.context import LocalContext
from app.training.loop import train
from app.training.order import Order

pytestmark = [
    pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a compiler of C++"),
    pytest.mark.filterwarnings("ignore"),  # of torch's own compiler
]


def trained(folder: Path, **changes: object) -> list[float]:
    train(
        Order(toy_experiment(**changes), "", str(folder), time.time()), ToyWorkload(), LocalContext(torch.device("cpu"))
    )
    return [json.loads(line)["loss"] for line in (folder / "steps.jsonl").read_text().splitlines()]


def test_compiled_it_has_the_curve_of_the_plain_network_and_goes_on_plain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    compiled: list[torch.nn.Module] = []
    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: compiled.append(model) or compiler(model))
    plain = trained(tmp_path / "plain", epochs=2)
    assert not compiled
    assert trained(tmp_path / "compiled", epochs=2, compile=True) == pytest.approx(plain, abs=1e-5)
    assert len(compiled) == 1
    saved = [
        checkpoint.load(str(tmp_path / name / "checkpoint" / "last.pt"))["model"] for name in ("plain", "compiled")
    ]
    torch.testing.assert_close(saved[1], saved[0], rtol=1e-4, atol=1e-5)
    assert list(saved[1]) == ["0.weight", "0.bias", "3.weight", "3.bias"]
