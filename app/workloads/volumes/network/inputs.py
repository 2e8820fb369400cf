"""What a network takes and is taught, made on the device from what is stored: z-scores and regions."""

import torch

from app.workloads.volumes.anatomy import Anatomy


def normalize(image: torch.Tensor, gain: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """z-scores inside the organ, 0 outside: int16 [B, M, D, H, W] as stored, gain and bias [B, M] -> float32."""
    inside = (image != 0).any(dim=1, keepdim=True)
    axes = (..., None, None, None)
    return torch.addcmul(bias[axes], image.float(), gain[axes]).mul_(inside)


def region_targets(label: torch.Tensor, regions: tuple[str, ...], anatomy: Anatomy) -> torch.Tensor:
    """Internal codes uint8 [B, 1, D, H, W] -> one 0/1 channel a region, uint8 [B, C, D, H, W]."""
    tables = torch.zeros(len(regions), anatomy.num_codes, dtype=torch.uint8, device=label.device)
    for table, codes in zip(tables, anatomy.region_codes(regions), strict=True):
        table[list(codes)] = 1
    return tables[:, label[:, 0].long()].transpose(0, 1).contiguous()
