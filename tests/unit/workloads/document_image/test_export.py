"""The exported page classifier computes what the network computes, and says how to feed it."""

import io
import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from app.execution.model import load_model
from app.experiment import Experiment
from app.workloads.document_image.export import form
from app.workloads.document_image.networks import build_network
from app.workloads.document_image.task import DocumentImageTask
from app.workloads.document_image.workload import DocumentImageWorkload
from app.workloads.exporting import export_model

OPTIONS = {"model": "test_efficientnet", "weights": "random", "image_size": 64, "classes": ["letter", "memo", "form"]}
WORKLOAD = DocumentImageWorkload()
TASK: DocumentImageTask = WORKLOAD.parse_task(OPTIONS)


def export(folder: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    network = build_network(TASK).eval()
    experiment = Experiment(name="e", workload="document_image", task=OPTIONS).to_dict()
    content = {"format": 1, "model": network.state_dict(), "experiment": experiment, "metrics": {"accuracy": 0.8}}
    weights = io.BytesIO()
    torch.save(content, weights)
    export_model(form(TASK), network, weights.getvalue(), {"best_validation": {"accuracy": 0.8}}, str(folder))
    return network


def test_other_programs_get_torchs_logits_by_what_model_json_says(tmp_path: Path) -> None:
    network = export(tmp_path)
    facts = json.loads((tmp_path / "model.json").read_text())
    assert facts["outputs"]["classes"] == ["letter", "memo", "form"] and facts["best_validation"] == {"accuracy": 0.8}
    preprocessing = facts["preprocessing"]
    grey = np.random.default_rng(0).integers(0, 256, (5, 1, 64, 64), dtype=np.uint8)
    mean, std = (np.array(preprocessing[key], np.float32)[None, :, None, None] for key in ("mean", "std"))
    image = (np.repeat(grey, 3, axis=1).astype(np.float32) / 255 - mean) / std
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"image": image})
    batch = {"image": torch.from_numpy(grey), "label": torch.zeros(5, dtype=torch.int64)}
    with torch.no_grad():
        expected = WORKLOAD.forward(TASK, network, WORKLOAD.to_inputs(TASK, batch, None)).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


def test_predict_opens_the_folder_as_it_does_a_run(tmp_path: Path) -> None:
    network = export(tmp_path)
    opened = load_model(str(tmp_path))
    assert opened.workload.name == "document_image" and opened.task.classes == TASK.classes
    assert torch.equal(
        opened.network.state_dict()["backbone.classifier.bias"], network.state_dict()["backbone.classifier.bias"]
    )
