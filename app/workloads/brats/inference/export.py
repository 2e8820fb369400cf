"""A segmentation model as a folder of its own: predict loads it without the run, other programs its ONNX file."""

from collections.abc import Iterator
from typing import Any

import torch

from app.configuration import to_dict
from app.workloads import exporting
from app.workloads.brats.labels import BRAIN, FILE_CODES, OUTPUT_REGIONS, REGIONS
from app.workloads.brats.source.layouts import MODALITIES
from app.workloads.brats.task import BratsTask
from app.workloads.volumes.spacing import TOLERANCE, in_words

MAX_BLOCKS = 512
"""Upper end of each exported axis, in units of the task's divisor; any volume fits."""

README = """A brain tumour segmentation model, exported by Twofold.

weights.pt   torch.load(..., weights_only=True): state_dict under "model", the experiment under "experiment"
model.onnx   input `image` float32 [batch, 4, D, H, W], output `logits` [batch, {num_regions}, D, H, W];
             D, H, W any multiples of {divisor} from {smallest} on; trained on {patch}
model.json   task, preprocessing, regions, label codes, validation scores, versions

Use it:  python jobs/predict.py brats --model THIS_FOLDER --input SCAN --out FOLDER
"""


def form(task: BratsTask) -> exporting.Form:
    """How a trained network is exported: any batch, and any D, H, W that the task's network divides."""
    shapes = {"num_regions": len(task.regions), "divisor": task.divisor, "smallest": 2 * task.divisor}
    dims = {axis: task.divisor * torch.export.Dim(name, min=2, max=MAX_BLOCKS) for axis, name in enumerate("dhw", 2)}
    return exporting.Form(
        # three different sizes, none of them 1, lest the exporter take two axes for one or an axis for a constant
        example=torch.zeros(2, task.anatomy.num_modalities, *(task.divisor * n for n in (2, 3, 4))),
        dynamic_shape={0: torch.export.Dim("batch", min=1, max=1024), **dims},
        images=tuple(_images(task)),
        readme=README.format(patch=" x ".join(str(n) for n in task.patch_size), **shapes),
        description=describe(task),
    )


def describe(task: BratsTask) -> dict[str, Any]:
    """What another program needs to feed the network and to read its output."""
    return {
        "workload": "brats",
        "task": to_dict(task),
        "preprocessing": {
            "modalities": list(MODALITIES),
            "orientation": "RAS+; axes of arrays are modality, z, y, x",
            "normalization": "each modality: (value - mean) / std over the brain (any modality not 0); 0 outside",
            "window_voxels": list(task.patch_size),
            "voxel_mm_zyx": None if task.spacing_mm is None else list(task.spacing_mm),
            "resampling": resampling_in_words(task),
        },
        "outputs": {
            "regions": list(OUTPUT_REGIONS[task.outputs]),
            "activation": "sigmoid; a region where its probability is over 0.5, inner regions win",
            "codes_of_region": {name: list(REGIONS[name]) for name in OUTPUT_REGIONS[task.outputs]},
            "internal_codes": {"0": "background", "1": "non-enhancing core", "2": "edema", "3": "enhancing tumour"},
            "file_codes_to_internal": {
                challenge: {str(code): BRAIN.meanings[meaning] for code, meaning in codes.items()}
                for challenge, codes in FILE_CODES.items()
            },
        },
    }


def resampling_in_words(task: BratsTask) -> str:
    if task.spacing_mm is None or not task.resampling:
        return "none"
    return (
        f"of a scan that differs by more than {TOLERANCE:.0%} from the training's {in_words(task.spacing_mm)} along an "
        "axis: cubic and antialiased, the edges of both grids on each other; probabilities back, cubic, before the "
        "threshold"
    )


def _images(task: BratsTask) -> Iterator[torch.Tensor]:
    """Two shapes to compare on."""
    generator = torch.Generator().manual_seed(0)
    for batch, blocks in ((1, (4, 4, 4)), (2, (2, 5, 3))):
        yield torch.randn(batch, task.anatomy.num_modalities, *(task.divisor * n for n in blocks), generator=generator)
