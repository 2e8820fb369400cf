"""A page classifier as a folder of its own: predict loads it without the run, other programs its ONNX file."""

from typing import Any

import torch

from app.configuration import to_dict
from app.workloads import exporting
from app.workloads.document_image import networks
from app.workloads.document_image.task import DocumentImageTask

README = """A classifier of document pages by their image, exported by Twofold.

weights.pt   torch.load(..., weights_only=True): state_dict under "model", the experiment under "experiment"
model.onnx   input `image` float32 [batch, 3, {size}, {size}], output `logits` [batch, {num_classes}]
model.json   task, preprocessing, classes in the order of the logits, validation scores, versions

Use it:  python jobs/predict.py documents --image-model THIS_FOLDER --input PAGES --out FOLDER
"""


def form(task: DocumentImageTask) -> exporting.Form:
    """Of an export: any batch, pages of the task's size."""
    return exporting.Form(
        example=_images(task, 2),
        dynamic_shape={0: torch.export.Dim("batch", min=1, max=1024)},
        images=(_images(task, 1), _images(task, 3)),
        readme=README.format(size=task.image_size, num_classes=len(task.classes)),
        description=describe(task),
    )


def describe(task: DocumentImageTask) -> dict[str, Any]:
    """What another program needs to feed the network and to read its output."""
    mean, std = networks.mean_and_std(task)
    return {
        "workload": "document_image",
        "task": to_dict(task),
        "preprocessing": {
            "page": "grey, 0 black to 255 white, the whole page resized to a square by a box filter",
            "size": task.image_size,
            "normalization": "three equal channels of (grey / 255 - mean) / std",
            "mean": list(mean),
            "std": list(std),
        },
        "outputs": {"classes": list(task.classes), "activation": "softmax"},
    }


def _images(task: DocumentImageTask, num: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(num)
    return torch.randn(num, 3, task.image_size, task.image_size, generator=generator)
