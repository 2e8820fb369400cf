"""DistMIS's 3D U-Net out of torch's own layers, as one writes it without thinking of speed."""

import torch
from torch import nn


class PlainUNet3d(nn.Module):
    """Parameters have the names and shapes of app.workloads.volumes.network.networks.UNet3d, so that weights go over as
    they are.

    [B, num_in, D, H, W] -> logits [B, num_out, D, H, W].
    """

    def __init__(self, num_in: int, num_out: int, filters: tuple[int, ...], norm: str) -> None:
        super().__init__()
        self.down = nn.ModuleList(_block(a, b, norm) for a, b in zip((num_in, *filters[:-1]), filters, strict=True))
        pairs = list(zip(filters[:0:-1], filters[-2::-1], strict=True))
        self.upsample = nn.ModuleList(nn.ConvTranspose3d(a, b, kernel_size=2, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(_block(2 * b, b, norm) for _, b in pairs)
        self.head = nn.Conv3d(filters[0], num_out, kernel_size=1)
        self.pool = nn.MaxPool3d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips: list[torch.Tensor] = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        skips.pop()
        for upsample, block in zip(self.upsample, self.up, strict=True):
            x = block(torch.cat((upsample(x), skips.pop()), dim=1))
        logits: torch.Tensor = self.head(x)
        return logits


def _block(num_in: int, num_out: int, norm: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (num_in, num_out):
        normalise = nn.BatchNorm3d(num_out) if norm == "batch" else nn.InstanceNorm3d(num_out, affine=True)
        layers += [nn.Conv3d(width, num_out, kernel_size=3, padding=1), normalise, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
