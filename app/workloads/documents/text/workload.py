"""Classifying pages by their text as the engine sees it. Shapes: B batch, L tokens, K classes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from app.configuration import from_dict
from app.data import files
from app.workloads.base import Batch, HostBatch, Workload
from app.workloads.documents.ocr.texts import text_parts
from app.workloads.documents.scoring import page_scores, summarize
from app.workloads.documents.store.prepared import open_store
from app.workloads.documents.text import checks, network
from app.workloads.documents.text.pretrained import load_tokenizer
from app.workloads.documents.text.samples import TextSamples, load_pages, open_samples
from app.workloads.documents.text.task import DocumentTextTask
from app.workloads.documents.text.tokens import tokenize


class DocumentTextWorkload(Workload):
    name = "document_text"
    score = "accuracy"
    loss_is_mean = True
    cases_at_once = 32

    def parse_task(self, options: Mapping[str, Any]) -> DocumentTextTask:
        return from_dict(DocumentTextTask, options, "task")

    def resolve_task(self, task: DocumentTextTask, store: str) -> DocumentTextTask:
        return checks.resolve(task, store)

    def open_samples(self, task: DocumentTextTask, store: str) -> TextSamples:
        return open_samples(task, store)

    def build_model(self, task: DocumentTextTask, with_weights: bool = True) -> network.BertClassifier:
        return network.build_network(task, with_weights)

    def parameter_groups(
        self, task: DocumentTextTask, model: torch.nn.Module, weight_decay: float, learning_rate: float
    ) -> list[dict[str, Any]]:
        return network.parameter_groups(task, model, weight_decay, learning_rate)

    def example_batch(self, task: DocumentTextTask, batch_size: int) -> HostBatch:
        """Pages of full length; any vocabulary has these few tokens."""
        random = np.random.default_rng(0)
        return {
            "ids": random.integers(0, 16, (batch_size, task.max_length), dtype=np.int32),
            "length": np.full(batch_size, task.max_length, np.int32),
            "label": random.integers(0, len(task.classes), batch_size, dtype=np.int64),
        }

    def to_inputs(self, task: DocumentTextTask, batch: Batch, seeds: npt.NDArray[np.uint64] | None) -> Batch:
        """{"ids": [B, L], "mask": [B, L], "label": [B]}, int64, L being the longest page of the batch."""
        longest = int(batch["length"].max())
        places = torch.arange(longest, device=batch["length"].device)
        mask = (places < batch["length"][:, None]).long()
        return {"ids": batch["ids"][:, :longest].long(), "mask": mask, "label": batch["label"]}

    def forward(self, task: DocumentTextTask, model: torch.nn.Module, inputs: Batch) -> Any:
        return model(inputs["ids"], inputs["mask"])

    def loss_sums(self, task: DocumentTextTask, outputs: Any, inputs: Batch) -> torch.Tensor:
        """[2]: sum of the cross entropies, number of samples."""
        total = torch.nn.functional.cross_entropy(
            outputs.float(), inputs["label"], reduction="sum", label_smoothing=task.label_smoothing
        )
        return torch.stack([total, torch.full_like(total, len(inputs["label"]))])

    def validation_ids(self, task: DocumentTextTask, store: str, split: str) -> list[str]:
        """Labelled pages of a split, short ones first, so that those that are scored together pad little."""
        samples, ids = open_samples(task, store, split), open_store(store).ids
        order = np.argsort(samples.lengths, kind="stable")
        return [ids[row] for row in samples.store_rows[order]]

    def evaluate_cases(
        self,
        task: DocumentTextTask,
        model: torch.nn.Module,
        store: str,
        case_ids: list[str],
        device: torch.device,
        thorough: bool,
    ) -> list[dict[str, float | None]]:
        host = load_pages(task, store, case_ids)
        batch = {key: torch.from_numpy(value).to(device) for key, value in host.items()}
        logits = self.forward(task, model, self.to_inputs(task, batch, None)).float().cpu()
        opened = open_store(store)
        rows = np.array([opened.row_of(case_id) for case_id in case_ids])
        return page_scores(logits, opened, rows, task.classes, task.partition, thorough)

    def contents(self, task: DocumentTextTask, store: str, case_ids: list[str]) -> str:
        """What tells apart the texts that these pages have now from others."""
        texts = [(files.name_of(path), stamp) for path, stamp in text_parts(store)]
        return f"{texts} {open_store(store).told(case_ids)}"

    def encode_pages(self, task: DocumentTextTask, pages: list[str]) -> HostBatch:
        """Texts as a batch without labels, for prediction."""
        table = tokenize(load_tokenizer(task.model), pages, task.max_length)
        ids = table.padded(np.arange(len(pages)), task.max_length)
        return {"ids": ids, "length": table.lengths, "label": np.zeros(len(pages), np.int64)}

    def summarize(self, task: DocumentTextTask, cases: list[dict[str, float | None]]) -> dict[str, float]:
        return summarize(cases)
