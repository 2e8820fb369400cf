"""A brain tumour network trained by MONAI's own pipeline for a number of minutes: python -m … CONFIG.json RESULT.json.

As the BraTS and spleen tutorials have it (Project-MONAI/tutorials, 3d_segmentation): CacheDataset and DataLoader,
positive-negative crops, flips, intensity scale and shift, DiceLoss(sigmoid, squared_pred), Adam or AdamW, a cosine
schedule, validation by sliding_window_inference, the best network on the validation cases kept.
The clock stands still while data is cached and while it validates: neither counts against the minutes.
"""

import json
import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import monai_pipeline

REGIONS = ("WT", "TC", "ET")


@dataclass(frozen=True)
class Config:
    source: str
    train: list[str]
    validation: list[str]
    """Chooses the best network. Empty: the last one stays."""
    held_out: list[str]
    """Scored at the end."""
    minutes: float
    network: str
    """`basicunet` or `dynunet`."""
    width: int
    """Channels at full resolution; both networks have 32 by default."""
    optimizer: str
    learning_rate: float
    patch: tuple[int, int, int]
    batch_size: int
    """Patches a step, all of one volume."""
    num_validations: int


def main(config: Config, result: Path) -> None:
    import torch
    from monai.utils.misc import set_determinism

    set_determinism(seed=0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    training = Training(config)
    report = training.run()
    report["cases"] = {case: training.score(case) for case in config.held_out}
    result.write_text(json.dumps(report, indent=1))


class Training:
    def __init__(self, config: Config) -> None:
        from monai.losses.dice import DiceLoss

        self.config = config
        self.model = build_network(config)
        self.optimizer = build_optimizer(config, self.model)
        self.loss = DiceLoss(smooth_nr=0, smooth_dr=1e-5, squared_pred=True, to_onehot_y=False, sigmoid=True)
        self.batches = _endless(self._loader())
        self.losses: list[float] = []

    def run(self) -> dict[str, Any]:
        """Steps until the minutes are over, with validations at even distances of time."""
        budget_s = 60 * self.config.minutes
        next(self.batches)  # the cache is filled, the worker runs
        trained_s = 0.0
        validations: list[dict[str, float]] = []
        best: tuple[float, dict[str, Any]] | None = None
        while trained_s < budget_s:
            began = time.perf_counter()
            self._step(trained_s / budget_s)
            trained_s += time.perf_counter() - began
            due = budget_s * (len(validations) + 1) / max(1, self.config.num_validations)
            if self.config.validation and trained_s >= min(due, budget_s):
                mean = float(np.mean([score for case in self.config.validation for score in self.score(case).values()]))
                validations.append({"trained_s": trained_s, "steps": len(self.losses), "dice": mean})
                print(validations[-1], flush=True)
                if best is None or mean > best[0]:
                    best = mean, {key: value.clone() for key, value in self.model.state_dict().items()}
        if best is not None:
            self.model.load_state_dict(best[1])
        last_third = self.losses[-max(1, len(self.losses) // 3) :]
        return {
            "trained_s": trained_s,
            "num_steps": len(self.losses),
            "num_parameters": sum(p.numel() for p in self.model.parameters()),
            "final_loss": float(np.mean(last_third)),
            "losses": self.losses,
            "validations": validations,
        }

    def score(self, case: str) -> dict[str, float]:
        """Dice of each region over the whole volume; a region empty in both counts as found, as BraTS has it."""
        import torch
        from monai.inferers.utils import sliding_window_inference
        from monai.transforms.compose import Compose

        from app.workloads.volumes.inference.metrics import dice

        steps = [*monai_pipeline.deterministic_transforms(), monai_pipeline.RegionsOfMsdCodes()]
        sample: Any = Compose(steps)(monai_pipeline.items(Path(self.config.source), [case])[0])
        self.model.eval().to(memory_format=torch.channels_last_3d)  # not timed: the same labels, sooner
        with torch.no_grad():
            logits: Any = sliding_window_inference(
                torch.as_tensor(sample["image"])[None], self.config.patch, 1, self.model, overlap=0.5
            )
        self.model.train().to(memory_format=torch.contiguous_format)  # it trains as torch comes
        predicted, truth = (logits[0] > 0).numpy(), np.asarray(sample["label"]) > 0.5
        return {name: dice(p, t) for name, p, t in zip(REGIONS, predicted, truth, strict=True)}

    def _step(self, progress: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
        batch = next(self.batches)
        self.optimizer.zero_grad()
        loss = self.loss(self.model(batch["image"].as_tensor()), batch["label"].as_tensor())
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())

    def _loader(self) -> Any:
        from monai.data.dataloader import DataLoader

        config = self.config
        transforms = [
            *monai_pipeline.deterministic_transforms(),
            monai_pipeline.random_crop(config.patch, config.batch_size),
            monai_pipeline.RegionsOfMsdCodes(),
            *monai_pipeline.augmentations(config.patch),
        ]
        # The crop gives a list of patches; the transforms after it are applied to each by MONAI's Compose.
        items = monai_pipeline.items(Path(config.source), config.train)
        dataset = monai_pipeline.make_dataset("CacheDataset", items, transforms, Path())
        return DataLoader(dataset, batch_size=1, shuffle=True, num_workers=1, persistent_workers=True)


def build_network(config: Config) -> Any:
    width = config.width
    if config.network == "basicunet":
        from monai.networks.nets.basic_unet import BasicUNet

        features = (width, width, 2 * width, 4 * width, 8 * width, width)
        return BasicUNet(spatial_dims=3, in_channels=4, out_channels=3, features=features)
    from monai.networks.nets.dynunet import DynUNet

    return DynUNet(
        spatial_dims=3,
        in_channels=4,
        out_channels=3,
        kernel_size=[3, 3, 3, 3],
        strides=[1, 2, 2, 2],
        upsample_kernel_size=[2, 2, 2],
        filters=[width, 2 * width, 4 * width, 8 * width],
        norm_name="instance",
    )


def build_optimizer(config: Config, model: Any) -> Any:
    import torch

    if config.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=config.learning_rate, weight_decay=1e-5)
    return torch.optim.AdamW(model.parameters(), lr=config.learning_rate)


def _endless(loader: Any) -> Any:
    while True:
        yield from loader


if __name__ == "__main__":
    content = json.loads(Path(sys.argv[1]).read_text())
    content["patch"] = tuple(content["patch"])
    main(Config(**content), Path(sys.argv[2]))
