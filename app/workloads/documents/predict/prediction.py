"""Classes of new pages: what image, text and both say of each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from app.errors import UsageError
from app.workloads.documents.ocr.engines import OcrOptions
from app.workloads.documents.ocr.recognition import read_opened
from app.workloads.documents.ocr.texts import PageText
from app.workloads.documents.pages.files import PageFile, open_page

NUM_PAGES_AT_ONCE = 32
Shares = Mapping[str, float]


@dataclass(frozen=True)
class PagePrediction:
    """One page."""

    id: str
    path: str
    page: int
    shares: Mapping[str, Shares]
    """For each source (`image`, `text`, `both`): probability of each class. The last one decides."""
    text: str = ""
    ocr: str = ""
    """`ok`; `empty`, `failed` or `timeout` (the image alone decides, where there is one); empty where nobody asked for
    the text."""

    @property
    def final(self) -> Shares:
        return self.shares[self.decided_by]

    @property
    def is_finite(self) -> bool:
        """False where a network gave what is not a number."""
        return all(math.isfinite(share) for shares in self.shares.values() for share in shares.values())

    @property
    def decided_by(self) -> str:
        """`image`, `text` or `both`."""
        return list(self.shares)[-1]

    @property
    def predicted(self) -> str:
        return max(self.final, key=lambda name: self.final[name])


def classify(model: Any, contents: list[Any]) -> list[list[float]]:
    """Probabilities of each page [K], from grey pages [S, S] or from texts, as the model's workload takes them.

    `model` is an app.execution.models.model.TrainedModel.
    """
    workload, task = model.workload, model.task
    host = workload.encode_pages(task, contents)
    batch = {key: torch.from_numpy(value).to(model.device) for key, value in host.items()}
    inputs = model.numerics.place_batch(workload.to_inputs(task, batch, None))
    logits = workload.forward(task, model.network, inputs).float()
    rows: list[list[float]] = logits.softmax(1).cpu().tolist()
    return rows


def classify_numbered(model: Any, item: tuple[int, list[Any]]) -> tuple[int, list[list[float]]]:
    """Keeps the number of the item beside its result: results come in any order."""
    return item[0], classify(model, item[1])


def read_text(file: PageFile, options: OcrOptions) -> PageText:
    """Text of a page, read as those of a store are; a page that cannot be read has a status and a reason."""
    return read_opened(file.id, partial(open_page, file), options)


def check_same_classes(image: Sequence[str], text: Sequence[str]) -> None:
    """Raises UsageError when the two models know different classes: what they say cannot be combined."""
    if set(image) != set(text):
        raise UsageError(f"the models know different classes: image {', '.join(image)}; text {', '.join(text)}")


def combine(image: Shares | None, text: Shares | None) -> dict[str, Shares]:
    """What there is, and the average where there are both (the ensemble of Ferrando 2020)."""
    found = {name: shares for name, shares in (("image", image), ("text", text)) if shares is not None}
    if image is not None and text is not None:
        found["both"] = {name: (share + text[name]) / 2 for name, share in image.items()}
    return found
