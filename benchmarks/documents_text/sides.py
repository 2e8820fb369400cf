"""Training steps of a BERT on pages of text: `ours` in the project's order and width, `padded` to 512 tokens always.

Both are the project's step on the project's network; the padded side takes the pages in plain random order, and its
mask tells padding apart as every tokenizer's does.
"""

import sys
import time
from typing import Any

import torch

from app.data.samples.feeding import Samples
from benchmarks.side import serve


class Steps:
    """A training that is driven step by step."""

    def __init__(self, kind: str) -> None:
        self._padded = kind == "padded"

    def open(self, model: str, store: str, batch_size: int) -> dict[str, Any]:
        """Build the network and open the store; the record of the numerics chosen."""
        from app.configuration import to_dict
        from app.data.samples.feeding import StepReader
        from app.experiment import Experiment, OptimizerConfig
        from app.workloads.documents.text.task import DocumentTextTask
        from app.workloads.documents.text.workload import DocumentTextWorkload
        from benchmarks.training import open_training

        workload = _padded_workload() if self._padded else DocumentTextWorkload()
        task = workload.resolve_task(DocumentTextTask(model=model, num_layers=None), store)
        optimizer = OptimizerConfig("adamw", 3e-5, weight_decay=0.01, clip_norm=1.0)
        experiment = Experiment(
            name="text",
            workload="document_text",
            task=to_dict(task),
            batch_size=batch_size,
            optimizer=optimizer,
            precision="fp32",
            channels_last="no",
        )
        self._training = open_training(experiment, workload, task)
        samples: Any = workload.open_samples(task, store)
        self._mean_length = float(samples.lengths.mean())
        if self._padded:
            samples = _Ungrouped(samples)
        self._reader = StepReader(samples, seed=0, global_batch_size=batch_size, rank=0, world_size=1)
        facts = {"mean_length": self._mean_length, "num_pages": len(samples)}
        return {
            **self._training.numerics,
            **facts,
            "num_parameters": sum(p.numel() for p in self._training.model.parameters()),
        }

    def run(self, steps: list[int]) -> dict[str, Any]:
        """Tokens of text a second, padding not counted, over these steps; reading the batches is in.

        A padded step takes as long whatever its pages say, so they count as pages of the split's mean length: of few
        pages drawn at random the lengths would say more than the time.
        """
        began = time.perf_counter()
        num_tokens, num_places = 0.0, 0
        for step in steps:
            batch = {
                key: torch.as_tensor(value) for key, value in self._reader.load(step).items() if key != "sample_seed"
            }
            self._training.step(batch, None)
            size, width = batch["ids"].shape
            num_tokens += self._mean_length * size if self._padded else int(batch["length"].sum())
            num_places += size * (width if self._padded else int(batch["length"].max()))
        elapsed = time.perf_counter() - began
        return {"tokens_per_s": num_tokens / elapsed, "num_tokens": num_tokens, "padding": 1 - num_tokens / num_places}


def make_bert(folder: str, sizes: dict[str, int], texts: list[str]) -> dict[str, Any]:
    """A tokenizer learned from these texts and random weights; its note."""
    from app.workloads.documents.text.tiny_bert import SmallBert, make_small_bert

    return make_small_bert(texts, folder, SmallBert(**sizes))


class _Ungrouped(Samples):
    """Samples that do not tell their lengths, so that they come in plain random order."""

    def __init__(self, samples: Any) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def load(self, rows: Any, seeds: Any) -> Any:
        return self._samples.load(rows, seeds)


def _padded_workload() -> Any:
    from app.workloads.documents.text.workload import DocumentTextWorkload

    class Padded(DocumentTextWorkload):
        """The workload, with batches as wide as the longest text may be."""

        def to_inputs(self, task: Any, batch: Any, seeds: Any) -> Any:
            places = torch.arange(task.max_length)
            mask = (places < batch["length"][:, None]).long()
            return {"ids": batch["ids"].long(), "mask": mask, "label": batch["label"]}

    return Padded()


if __name__ == "__main__":
    steps = Steps(sys.argv[1])
    serve({"open": steps.open, "run": steps.run, "make_bert": make_bert})
