"""An exported folder is whole: its ONNX file computes what the network computes, at any size; its facts are right."""

import io
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from app.configuration import from_dict
from app.errors import TwofoldError
from app.workloads import exporting
from app.workloads.brats.inference.export import form
from app.workloads.brats.task import BratsTask
from app.workloads.volumes.network.networks import build_network

TASK = BratsTask(filters=(4, 8), patch_size=(8, 8, 8))


def network(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build_network(TASK).eval().to(memory_format=torch.channels_last_3d)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    weights = io.BytesIO()
    torch.save({"format": 1, "model": network().state_dict()}, weights)
    exporting.export_model(form(TASK), network(), weights.getvalue(), {"best_validation": {"dice": 0.8}}, str(folder))
    return folder


@pytest.mark.parametrize("shape", [(1, 8, 8, 8), (3, 4, 10, 26)])
def test_onnxruntime_agrees_with_torch_at_any_size(exported: Path, shape: tuple[int, ...]) -> None:
    image = torch.randn(shape[0], 4, *shape[1:], generator=torch.Generator().manual_seed(1))
    session = onnxruntime.InferenceSession(str(exported / "model.onnx"), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": image.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(logits, network()(image).numpy(), atol=1e-4)


def test_another_networks_file_is_noticed(exported: Path) -> None:
    onnx = (exported / "model.onnx").read_bytes()
    image = torch.randn(1, 4, 8, 8, 8, generator=torch.Generator().manual_seed(2))
    same, other = (exporting.compare_onnx(network(seed), onnx, [image]) for seed in (0, 1))
    assert same < exporting.TOLERANCE < other


def test_an_export_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "to_onnx", lambda *_: b"")
    monkeypatch.setattr(exporting, "compare_onnx", lambda *_: float("nan"))
    with pytest.raises(TwofoldError, match="nothing was exported"):
        exporting.export_model(form(TASK), network(), b"", {}, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_weights_load_without_running_code(exported: Path) -> None:
    content = torch.load(exported / "weights.pt", weights_only=True)
    assert content["model"].keys() == network().state_dict().keys()


def test_the_folder_says_what_another_program_needs(exported: Path) -> None:
    facts = json.loads((exported / "model.json").read_text())
    assert from_dict(BratsTask, facts["task"]) == TASK
    assert facts["preprocessing"]["modalities"] == ["FLAIR", "T1w", "T1gd", "T2w"]
    assert facts["outputs"]["codes_of_region"] == {"WT": [1, 2, 3], "TC": [1, 3], "ET": [3]}
    assert facts["outputs"]["file_codes_to_internal"]["brats2021"] == {"0": 0, "1": 1, "2": 2, "4": 3}
    assert facts["best_validation"] == {"dice": 0.8}
    assert facts["onnx_difference"] < exporting.TOLERANCE
    assert "multiples of 2 from 4 on" in (exported / "README.txt").read_text()
