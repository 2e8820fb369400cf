"""A page classifier as a folder of its own: predict loads it without the run, other programs its ONNX file."""

import io
from typing import Any

import numpy as np
import torch

from app.configuration import to_dict
from app.workloads import exporting
from app.workloads.documents.image import networks
from app.workloads.documents.image.task import DocumentImageTask
from app.workloads.documents.image.workload import DocumentImageWorkload
from app.workloads.documents.pages.reading import SLACK, stored_page

README = """A classifier of document pages by their image, exported by Twofold.

weights.pt   torch.load(..., weights_only=True): state_dict under "model", the experiment under "experiment"
model.onnx   input `image` float32 [batch, 3, {size}, {size}], output `logits` [batch, {num_classes}]
model.json   task, preprocessing, classes in the order of the logits, validation scores, versions

Use it:  python jobs/predict.py documents --image-model THIS_FOLDER --input PAGES --out FOLDER
"""


PAGE = (
    "8 bits of grey (ITU-R 601), 0 black to 255 white, transparent parts white, turned as EXIF says; a JPEG is decoded "
    "at the smallest of 1/1, 1/2, 1/4 and 1/8 (libjpeg's scaled decoding) of which both edges have at least {stored} "
    "pixels. The whole page becomes a square of {stored} pixels in two steps, each rounded to whole grey values: means "
    "of blocks of fx x fy pixels, fx = max(1, floor(width / {stored} * {slack})), fy the same of the height, "
    "the last blocks perhaps smaller (Pillow's reduce); then a triangle filter over the box (0, 0, width / fx, "
    "height / fy), twice as wide as the step from pixel to pixel (Pillow's BILINEAR)"
)
RESIZE = (
    "then to {size} pixels along each edge by a triangle filter on grey values of floating point (Pillow's BILINEAR in "
    "mode F)"
)


def form(task: DocumentImageTask) -> exporting.Form:
    """How a trained network is exported: any batch, pages of the task's size."""
    return exporting.Form(
        example=_images(task, 2),
        dynamic_shape={0: torch.export.Dim("batch", min=1, max=1024)},
        images=(_images(task, 1), _images(task, 3), _page(task)),
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
            "page": PAGE.format(stored=_stored_size(task), slack=SLACK),
            "stored_size": _stored_size(task),
            "size": task.image_size,
            "resize": RESIZE.format(size=task.image_size) if _stored_size(task) != task.image_size else "none",
            "normalization": "three equal channels of (grey / 255 - mean) / std",
            "mean": list(mean),
            "std": list(std),
        },
        "outputs": {"classes": list(task.classes), "activation": "softmax"},
    }


def _stored_size(task: DocumentImageTask) -> int:
    """The size of stored pages for runs that do not say it: what they were fed was taken to be of the network's
    size."""
    return task.stored_size or task.image_size


def _page(task: DocumentImageTask) -> torch.Tensor:
    """What the network sees of one page with ruled lines, from its file on [1, 3, size, size]."""
    from PIL import Image

    page = np.full((1000, 754), 240, np.uint8)
    page[::25, 60:-60] = 30
    content = io.BytesIO()
    Image.fromarray(page).save(content, "JPEG")
    workload = DocumentImageWorkload()
    host = workload.encode_pages(task, [stored_page(content.getvalue(), _stored_size(task))[0]])
    return workload.to_inputs(task, {key: torch.from_numpy(value) for key, value in host.items()}, None)["image"]


def _images(task: DocumentImageTask, num: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(num)
    return torch.randn(num, 3, task.image_size, task.image_size, generator=generator)
