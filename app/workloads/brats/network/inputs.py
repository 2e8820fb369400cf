"""What a network takes and is taught, made on the device from what is stored: z-scores and regions."""

import torch

from app.workloads.brats.labels import REGIONS


def normalize(image: torch.Tensor, gain: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """z-scores inside the brain, 0 outside: int16 [B, 4, D, H, W] as stored, gain and bias [B, 4] -> float32."""
    brain = (image != 0).any(dim=1, keepdim=True)
    axes = (..., None, None, None)
    return torch.addcmul(bias[axes], image.float(), gain[axes]).mul_(brain)


def region_targets(label: torch.Tensor, regions: tuple[str, ...]) -> torch.Tensor:
    """Internal codes uint8 [B, 1, D, H, W] -> one 0/1 channel a region, uint8 [B, C, D, H, W]."""
    codes = torch.stack([_code_table(region, label.device) for region in regions])  # [C, number of codes]
    return codes[:, label[:, 0].long()].transpose(0, 1).contiguous()


def _code_table(region: str, device: torch.device) -> torch.Tensor:
    """1 at each label code that belongs to the region, uint8 [4]."""
    table = torch.zeros(4, dtype=torch.uint8, device=device)
    table[list(REGIONS[region])] = 1
    return table
