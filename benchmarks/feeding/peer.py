"""MONAI's three data sets, each behind a DataLoader with one worker process, driven round by round."""

import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peers import monai_pipeline
from benchmarks.side import serve

PREFETCH_FACTOR = 2
"""Batches a worker keeps ready: torch's default."""


class MonaiFeeding:
    def __init__(self, source: Path, cache: Path) -> None:
        self._source, self._cache = source, cache
        self._batches: dict[str, Any] = {}

    def open_loader(self, name: str, kind: str, cases: list[str], patch: list[int], num_samples: int) -> dict[str, Any]:
        """`num_samples` patches of each volume that is loaded, in one batch; worker started, caches filled."""
        import torch
        from monai.data.dataloader import DataLoader
        from monai.utils.misc import set_determinism

        torch.set_num_threads(1)
        set_determinism(seed=0)
        size = (patch[0], patch[1], patch[2])
        transforms = [*monai_pipeline.deterministic_transforms(), monai_pipeline.random_crop(size, num_samples)]
        data = monai_pipeline.items(self._source, cases)
        dataset = monai_pipeline.make_dataset(kind, data, transforms, self._cache)
        if kind == "PersistentDataset":
            for index in range(len(data)):
                dataset[index]  # fills its cache, which the first epoch of a training would
        loader = DataLoader(
            dataset, batch_size=1, shuffle=True, num_workers=1, prefetch_factor=PREFETCH_FACTOR, persistent_workers=True
        )
        self._batches[name] = _endless(loader)
        return {"shape": list(next(self._batches[name])["image"].shape)}

    def load(self, name: str, num_patches: int) -> dict[str, Any]:
        """Patches a second at a steady state: what the worker had ready before is taken first, not counted."""
        batches = self._batches[name]
        for _ in range(PREFETCH_FACTOR + 1):
            batch = next(batches)
        num_a_batch = len(batch["image"])
        num_batches = -(-num_patches // num_a_batch)
        began = time.perf_counter()
        for _ in range(num_batches):
            next(batches)
        return {"patches_per_s": num_batches * num_a_batch / (time.perf_counter() - began)}


def _endless(loader: Any) -> Any:
    while True:
        yield from loader


if __name__ == "__main__":
    peer = MonaiFeeding(Path(sys.argv[1]), Path(sys.argv[2]))
    serve({"open_loader": peer.open_loader, "load": peer.load})
