"""Segmenting whole volumes with one set of weights: our sliding window, or MONAI's as its default call does it."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from app.machine import num_cores
from benchmarks.side import serve

CPU = torch.device("cpu")


class Segmentation:
    def __init__(self, kind: str, store: str) -> None:
        from app.workloads.volumes.store.prepared import VolumeStore

        self._kind = kind
        self._store = VolumeStore(store)
        torch.set_num_threads(num_cores())

    def open(self, checkpoint: str) -> dict[str, Any]:
        """The network with trained weights; on MONAI's side it is made of torch's own layers."""
        from app.configuration import from_dict
        from app.experiment import Experiment
        from app.training import numerics
        from app.training.process import tune_process
        from app.workloads.brats.task import BratsTask
        from app.workloads.volumes.network.networks import build_network
        from benchmarks.peers.plain_unet3d import PlainUNet3d

        saved = torch.load(checkpoint, weights_only=True)
        self._task = from_dict(BratsTask, Experiment.from_dict(saved["experiment"]).task)
        if self._kind == "ours":
            tune_process(num_cores())
            self._numerics = numerics.Numerics("bf16" if numerics.has_bf16(CPU) else "fp32", channels_last=True)
            self._model = self._numerics.place(build_network(self._task))
        else:
            self._model = PlainUNet3d(4, len(self._task.regions), self._task.filters, self._task.norm)
        self._model.load_state_dict(saved["model"])
        self._model.eval()
        return {"patch_size": list(self._task.patch_size), "regions": list(self._task.regions)}

    def segment(self, case_id: str, overlap: float, sw_batch_size: int, result: str) -> dict[str, Any]:
        """Seconds from the volume in memory to its label; the label goes into the file `result`."""
        case = self._store.case(case_id)
        image, truth = self._store.read_case(case)
        assert truth is not None, case_id
        run = self._ours if self._kind == "ours" else self._monai
        seconds, num_windows, label = run(case, image, overlap, sw_batch_size)
        np.save(Path(result), label)
        return {"seconds": seconds, "num_windows": num_windows, "dice": _dice_of_regions(label, truth)}

    def _ours(self, case: Any, image: npt.NDArray[np.int16], overlap: float, _: int) -> tuple[float, int, Any]:
        from app.workloads.volumes.inference.segment import predict_label

        counter = _WindowCounter(self._model)
        began = time.perf_counter()
        with torch.inference_mode(), self._numerics.autocast(CPU):
            label = predict_label(self._task, self._model, image, case.gain, case.bias, CPU, overlap=overlap)
        seconds = time.perf_counter() - began
        return seconds, counter.close(), label

    def _monai(
        self, case: Any, image: npt.NDArray[np.int16], overlap: float, sw_batch_size: int
    ) -> tuple[float, int, Any]:
        """The whole volume, as distributed and as MONAI's transforms leave it; normalization is not counted."""
        from monai.inferers.utils import sliding_window_inference

        from app.workloads.brats.labels import from_regions

        whole, box = _whole_volume(case, image)
        counter = _WindowCounter(self._model)
        began = time.perf_counter()
        with torch.no_grad():
            logits: Any = sliding_window_inference(
                whole, self._task.patch_size, sw_batch_size, self._model, overlap=overlap
            )
            label = from_regions((logits[0] > 0).numpy())
        seconds = time.perf_counter() - began
        brain = (image != 0).any(axis=0)
        return seconds, counter.close(), label[box] * brain


class _WindowCounter:
    """Counts the windows that go through a network."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._num_windows = 0
        self._hook = model.register_forward_pre_hook(self._count)

    def _count(self, _: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self._num_windows += len(inputs[0])

    def close(self) -> int:
        self._hook.remove()
        return self._num_windows


def _whole_volume(case: Any, image: npt.NDArray[np.int16]) -> tuple[torch.Tensor, tuple[Any, ...]]:
    """[1, 4, D, H, W] of the original size, normalised, 0 outside the stored box; and where the box lies in it."""
    from app.workloads.volumes.network.inputs import normalize

    factors = [torch.from_numpy(v[None]) for v in (case.gain, case.bias)]
    box: tuple[Any, ...] = tuple(
        slice(start, start + n) for start, n in zip(case.crop_start, case.crop_shape, strict=True)
    )
    whole = torch.zeros(1, 4, *case.shape_zyx)
    whole[(0, slice(None), *box)] = normalize(torch.from_numpy(image)[None], *factors)[0]
    return whole, box


def _dice_of_regions(label: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> list[float]:
    from app.workloads.brats.labels import region_masks
    from app.workloads.volumes.inference.metrics import dice

    pairs = zip(region_masks(label, "regions"), region_masks(truth, "regions"), strict=True)
    return [dice(predicted, true) for predicted, true in pairs]


def compare_labels(first: str, second: str) -> dict[str, Any]:
    """Dice between two results, for each region."""
    return {"dice": _dice_of_regions(np.load(first), np.load(second))}


if __name__ == "__main__":
    side = Segmentation(*sys.argv[1:])
    serve({"open": side.open, "segment": side.segment, "compare_labels": compare_labels})
