"""A trained model as a folder of its own: what the exports of all workloads share."""

import copy
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.data import files
from app.errors import TwofoldError
from app.run_folder.run import EXPORT, EXPORTED_WEIGHTS

TOLERANCE = 1e-4
"""Largest difference of logits between ONNX Runtime and torch, as a share of the largest logit. Measured with the
networks of brats, all norms: 1e-7 to 4e-6; with EfficientNets 1e-6."""
FORMAT = 1
"""Version of model.json."""


@dataclass(frozen=True)
class Form:
    """What a workload's export consists of, besides the network."""

    example: torch.Tensor
    """An example of the network's input."""
    dynamic_shape: Mapping[int, Any]
    """torch.export.Dim of the example's axes that may have other sizes."""
    images: tuple[torch.Tensor, ...]
    """On which ONNX Runtime and torch are compared."""
    readme: str
    description: Mapping[str, Any]
    """For model.json: how to feed the network and to read its output."""


def export_model(form: Form, network: torch.nn.Module, weights: bytes, facts: Mapping[str, Any], folder: str) -> float:
    """Write weights.pt, model.onnx, README.txt and model.json, which comes last: a folder with it is whole.

    Args:
        network: in evaluation mode; is not changed.
        weights: the run's checkpoint, written as it is.
        facts: what model.json says of the experiment, its scores and versions.

    Returns:
        The largest difference between ONNX Runtime's and torch's logits, as a share of the largest logit.

    Raises:
        TwofoldError: they differ by more than TOLERANCE; nothing is written.
        DataError: the folder cannot be written.
    """
    plain = copy.deepcopy(network).cpu().float().to(memory_format=torch.contiguous_format).eval()
    onnx = to_onnx(plain, form.example, form.dynamic_shape)
    difference = compare_onnx(plain, onnx, form.images)
    if not difference <= TOLERANCE:
        raise TwofoldError(
            f"ONNX Runtime's logits differ from torch's by {difference:.2g} of the largest, expected at most "
            f"{TOLERANCE:g}; nothing was exported"
        )
    files.write_bytes_atomic(files.join(folder, EXPORTED_WEIGHTS), weights)
    files.write_bytes_atomic(files.join(folder, "model.onnx"), onnx)
    files.write_bytes_atomic(files.join(folder, "README.txt"), form.readme.encode())
    description = {"format": FORMAT, **form.description, "onnx_difference": difference, **facts}
    EXPORT.write(folder, description)
    return difference


def to_onnx(network: torch.nn.Module, example: torch.Tensor, dynamic_shape: Mapping[int, Any]) -> bytes:
    """The network as one ONNX file with the input `image` and the output `logits`; axes of `dynamic_shape` may have
    other sizes than the example's."""
    with (
        tempfile.TemporaryDirectory(prefix="twofold-onnx-") as scratch,
        warnings.catch_warnings(action="ignore"),  # the exporter warns of its own inner life
        torch.no_grad(),
    ):
        program: Any = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            dynamic_shapes=(dict(dynamic_shape),),
            input_names=["image"],
            output_names=["logits"],
            verbose=False,
        )
        path = Path(scratch) / "model.onnx"
        program.save(str(path), external_data=False)
        return path.read_bytes()


def compare_onnx(network: torch.nn.Module, onnx: bytes, images: Iterable[torch.Tensor]) -> float:
    """Largest difference between ONNX Runtime's and torch's logits, as a share of the largest logit."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for image in images:
        with torch.no_grad():
            expected = network(image).numpy()
        (seen,) = session.run(None, {"image": image.numpy()})
        worst = max(worst, float(np.abs(seen - expected).max() / np.abs(expected).max()))
    return worst
