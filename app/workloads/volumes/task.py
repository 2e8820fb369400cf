"""The options of segmenting volumes: plain values, checked here, passed to everything else."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from app.errors import require
from app.workloads.volumes import spacing
from app.workloads.volumes.anatomy import Anatomy

Network = Literal["unet3d", "dynunet", "segresnet"]
Norm = Literal["batch", "group", "instance"]
Loss = Literal["dice", "squared-dice", "dice-bce"]

NUM_GROUPS = 4
"""Groups of group norm; divides every filter count of the seed's network (8 to 64)."""
SEGRESNET_GROUPS = 8
"""Groups of SegResNet's group norm (Myronenko 2018, MONAI's default)."""


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes to a training sample. Intensities are in standard deviations of the modality in the organ.

    The defaults follow nnU-Net's choice of changes (Isensee et al. 2021), with milder intensity scaling."""

    flip_probability: float = 0.5
    """Probability of a flip, for each axis on its own; 0 switches flips off."""
    intensity_scale: float = 0.1
    """Each modality is multiplied by a factor from [1 - this, 1 + this]."""
    intensity_shift: float = 0.1
    """A value from [-this, this] is added to each modality."""
    noise_probability: float = 0.15
    noise_std: float = 0.1
    """Largest standard deviation of the Gaussian noise; each sample draws its own below it."""
    gamma_probability: float = 0.3
    gamma_range: tuple[float, float] = (0.7, 1.5)
    """Exponents of the gamma curve, drawn evenly."""

    def __post_init__(self) -> None:
        for name in ("flip_probability", "noise_probability", "gamma_probability"):
            require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a share from 0 to 1")
        for name in ("intensity_shift", "noise_std"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        require(0 <= self.intensity_scale < 1, "intensity_scale", self.intensity_scale, "0 or more and below 1")
        low, high = self.gamma_range
        require(0 < low <= high, "gamma_range", self.gamma_range, "two positive exponents, the smaller first")


@dataclass(frozen=True)
class VolumeTask:
    """What is segmented, by which network, from which samples. A subclass says in what: its anatomy."""

    anatomy: ClassVar[Anatomy]
    outputs: str = "regions"
    """Which regions are told apart: a key of the anatomy's outputs."""
    network: Network = "unet3d"
    filters: tuple[int, ...] = (8, 16, 32, 64)
    """Channels at each resolution, finest first; `segresnet` takes the first and doubles it."""
    norm: Norm = "instance"
    """Normalization of unet3d and dynunet; segresnet has group norm. `batch` depends on the samples on one worker."""
    weights: str | None = None
    """Initial weights: a file of weights (.safetensors, .pt, .pth) or the folder of a run, of the same network; a head
    that does not fit is new, and said; where less than half of the tensors fit, nothing is trained. None: random."""
    recompute: bool = False
    """unet3d: the backward pass computes each block's activations again instead of keeping them (activation
    checkpointing): less memory, more time, equal results."""
    loss: Loss = "dice-bce"
    sampling: Literal["patch", "whole"] = "patch"
    """`whole`: whole volumes, padded with zeros or cropped to `patch_size` about their centre."""
    patch_size: tuple[int, int, int] = (96, 96, 96)
    """Voxels along depth, height, width."""
    samples_per_case: int = 4
    """Patches of each case in one epoch."""
    foreground_share: float = 0.5
    """Share of the patches that are centred near a voxel of the label."""
    augment: AugmentConfig | None = field(default_factory=AugmentConfig)
    """None switches augmentation off."""
    evaluation_overlap: float = 0.25
    """Share of a window that its neighbour covers, in the evaluations during training."""
    final_overlap: float = 0.5
    """The same in the final evaluation and in prediction."""
    mirror: bool = False
    """Average over the eight flips in the final evaluation and in prediction: eight times the work."""
    labels: str | None = None
    """What the codes of the store's labels mean, which the store fills in; None: unknown."""
    spacing_mm: tuple[float, float, float] | None = None
    """Voxel size of the training's cases along z, y, x, which the store fills in; None: unknown, or several."""
    resampling: bool = True
    """A scan of other voxels is brought to that size for the network, and the result back onto the scan's own grid."""

    def __post_init__(self) -> None:
        counts = self.filters
        require(len(counts) >= 2 and min(counts) >= 1, "filters", counts, "at least two positive channel counts")
        if self.network == "unet3d" and self.norm == "group":
            wanted = f"multiples of {NUM_GROUPS}, the groups of group norm"
            require(all(n % NUM_GROUPS == 0 for n in counts), "filters", counts, wanted)
        if self.recompute:
            require(self.network == "unet3d", "recompute", True, f"false for {self.network}: unet3d alone has it")
        if self.network == "dynunet":
            require(len(counts) >= 3, "filters", counts, "at least three resolutions for dynunet")
            require(self.norm != "group", "norm", self.norm, "batch or instance for dynunet")
        if self.network == "segresnet":
            wanted = f"a multiple of {SEGRESNET_GROUPS} first, for segresnet's group norm"
            require(counts[0] % SEGRESNET_GROUPS == 0, "filters", counts, wanted)
        wanted = f"multiples of {self.divisor}, which {self.network} with {len(counts)} resolutions halves down to one"
        require(all(n > 0 and n % self.divisor == 0 for n in self.patch_size), "patch_size", self.patch_size, wanted)
        require(self.samples_per_case >= 1, "samples_per_case", self.samples_per_case, "1 or more")
        require(0 <= self.foreground_share <= 1, "foreground_share", self.foreground_share, "a share from 0 to 1")
        for name in ("evaluation_overlap", "final_overlap"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "a share from 0 to below 1")
        positive = self.spacing_mm is None or min(self.spacing_mm) > 0
        require(positive, "spacing_mm", self.spacing_mm, "three positive lengths in mm")

    def resamples(self, spacing_mm: spacing.Spacing) -> bool:
        """Whether a scan of these voxels is brought to the training's."""
        return self.resampling and self.differs(spacing_mm)

    def differs(self, spacing_mm: spacing.Spacing) -> bool:
        """Whether a scan of these voxels has others than the training's, where those are known."""
        return self.spacing_mm is not None and spacing.differs(spacing_mm, self.spacing_mm)

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the output channels."""
        return self.anatomy.outputs[self.outputs]

    @property
    def score_names(self) -> tuple[str, ...]:
        """What the scores of each output channel are named after."""
        return self.regions

    @property
    def divisor(self) -> int:
        """Every axis of the network's input must be a multiple of this: one halving a resolution."""
        return int(2 ** (len(self.filters) - 1))
