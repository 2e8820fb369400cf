"""A trained model as a folder of its own: predict loads it without the run, and other programs load its ONNX file."""

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.data import files
from app.errors import TwofoldError
from app.workloads.brats.labels import FILE_CODES, OUTPUT_REGIONS, REGIONS
from app.workloads.brats.layouts import MODALITIES
from app.workloads.brats.task import NUM_MODALITIES, BratsTask

TOLERANCE = 1e-4
"""Largest difference of logits between ONNX Runtime and torch, as a share of the largest logit. Measured with the
networks here, all norms: 1e-7 to 4e-6."""
MAX_BLOCKS = 512
"""Upper end of each exported axis, in units of the task's divisor; any volume fits."""

README = """A brain tumour segmentation model, exported by Twofold.

weights.pt   torch.load(..., weights_only=True): state_dict under "model", the experiment under "experiment"
model.onnx   input `image` float32 [batch, 4, D, H, W], output `logits` [batch, {num_regions}, D, H, W];
             D, H, W any multiples of {divisor} from {smallest} on; trained on {patch}
model.json   task, preprocessing, regions, label codes, validation scores, versions

Use it:  python jobs/predict.py brats --model THIS_FOLDER --input SCAN --out FOLDER
"""


def export_model(
    task: BratsTask, network: torch.nn.Module, weights: bytes, facts: Mapping[str, Any], folder: str
) -> float:
    """Write weights.pt, model.onnx, model.json and README.txt; model.json last, so that a folder with it is whole.

    Args:
        network: in evaluation mode; is not changed.
        weights: the run's checkpoint, written as it is.
        facts: what model.json says of the experiment, its scores and versions.

    Returns:
        The largest difference between ONNX Runtime's and torch's logits, as a share of the largest logit.

    Raises:
        TwofoldError: they differ by more than TOLERANCE; nothing is written.
        DataError: the folder can not be written.
    """
    plain = copy.deepcopy(network).cpu().float().to(memory_format=torch.contiguous_format).eval()
    onnx = to_onnx(task, plain)
    difference = compare_onnx(task, plain, onnx)
    if not difference <= TOLERANCE:
        raise TwofoldError(
            f"ONNX Runtime's logits differ from torch's by {difference:.2g} of the largest, wanted at most "
            f"{TOLERANCE:g}; nothing was exported"
        )
    shapes = {"num_regions": len(task.regions), "divisor": task.divisor, "smallest": 2 * task.divisor}
    files.write_bytes_atomic(files.join(folder, "weights.pt"), weights)
    files.write_bytes_atomic(files.join(folder, "model.onnx"), onnx)
    patch = " x ".join(str(n) for n in task.patch_size)
    files.write_bytes_atomic(files.join(folder, "README.txt"), README.format(patch=patch, **shapes).encode())
    files.write_json(files.join(folder, "model.json"), {**describe(task), "onnx_difference": difference, **facts})
    return difference


def describe(task: BratsTask) -> dict[str, Any]:
    """What another program needs to feed the network and to read its output."""
    return {
        "format": 1,
        "workload": "brats",
        "task": task.to_dict(),
        "preprocessing": {
            "modalities": list(MODALITIES),
            "orientation": "RAS+; axes of arrays are modality, z, y, x",
            "normalization": "each modality: (value - mean) / std over the brain (any modality not 0); 0 outside",
            "window_voxels": list(task.patch_size),
            "resampling": "none",
        },
        "outputs": {
            "regions": list(OUTPUT_REGIONS[task.outputs]),
            "activation": "sigmoid; a region where its probability is over 0.5, inner regions win",
            "codes_of_region": {name: list(REGIONS[name]) for name in OUTPUT_REGIONS[task.outputs]},
            "internal_codes": {"0": "background", "1": "non-enhancing core", "2": "edema", "3": "enhancing tumour"},
            "file_codes_to_internal": {layout: {str(k): v for k, v in m.items()} for layout, m in FILE_CODES.items()},
        },
    }


def to_onnx(task: BratsTask, network: torch.nn.Module) -> bytes:
    """The network as one ONNX file: any batch, and any D, H, W that it divides."""
    # three different sizes, none of them 1, lest the exporter take two axes for one or an axis for a constant
    example = torch.zeros(2, NUM_MODALITIES, *(task.divisor * n for n in (2, 3, 4)))
    dims = {axis: task.divisor * torch.export.Dim(name, min=2, max=MAX_BLOCKS) for axis, name in enumerate("dhw", 2)}
    with tempfile.TemporaryDirectory(prefix="twofold-onnx-") as scratch, _quiet(), torch.no_grad():
        program: Any = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=1024), **dims},),
            input_names=["image"],
            output_names=["logits"],
            verbose=False,
        )
        path = Path(scratch) / "model.onnx"
        program.save(str(path), external_data=False)
        return path.read_bytes()


def compare_onnx(task: BratsTask, network: torch.nn.Module, onnx: bytes) -> float:
    """Largest difference of logits over two shapes, as a share of the largest logit."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for batch, blocks in ((1, (4, 4, 4)), (2, (2, 5, 3))):
        image = torch.randn(batch, NUM_MODALITIES, *(task.divisor * n for n in blocks), generator=generator)
        with torch.no_grad():
            expected = network(image).numpy()
        (seen,) = session.run(None, {"image": image.numpy()})
        worst = max(worst, float(np.abs(seen - expected).max() / np.abs(expected).max()))
    return worst


def _quiet() -> Any:
    """The exporter warns of its own inner life (attributes of MONAI's networks, deprecations)."""
    import warnings

    return warnings.catch_warnings(action="ignore")
