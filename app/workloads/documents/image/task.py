"""The options of the document image workload: plain values, checked here, passed to everything else."""

from dataclasses import dataclass, field
from typing import Literal

from app.errors import require

Norm = Literal["batch", "frozen", "sync"]


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes to a training page; all but mixup happen to each page by its own seed."""

    rotation_degrees: float = 5.0
    """Turned by an angle from [-this, this] (as in Ferrando 2020)."""
    scale: float = 0.05
    """Enlarged by a factor from [1 - this, 1 + this]."""
    shift: float = 0.03
    """Moved along each axis by up to this share of the page."""
    brightness: float = 0.1
    """A value from [-this, this] is added to grey values from 0 to 1."""
    contrast: float = 0.15
    """The distance from mid-grey is multiplied by a factor from [1 - this, 1 + this]."""
    noise_std: float = 0.03
    """Largest standard deviation of Gaussian noise on grey values from 0 to 1."""

    def __post_init__(self) -> None:
        require(0 <= self.rotation_degrees <= 180, "rotation_degrees", self.rotation_degrees, "0 to 180")
        for name in ("scale", "shift", "contrast"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "0 or more and below 1")
        for name in ("brightness", "noise_std"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")


@dataclass(frozen=True)
class DocumentImageTask:
    """Classify a page by its image."""

    model: str = "efficientnet_b0"
    """Name of a timm network."""
    weights: str = "pretrained"
    """Initial weights. `pretrained`: timm's for this name, from the hub. `random`: none. Else a file of weights
    (.safetensors, .pt, .pth), or the folder of a run of this workload: transfer, in which the head, which does not
    fit, is new. What stays random is said; where less than half of the tensors fit, nothing is trained."""
    image_size: int = 384
    """Pixels along each edge of what the network sees; pages stored at another size are resized on the device."""
    stored_size: int | None = None
    """Pixels along each edge of a page in the store, to which new pages are shrunk first too; taken from the store."""
    norm: Norm = "batch"
    """Batch normalization. `batch`: statistics of the samples on one worker; the first worker's are evaluated and kept.
    `frozen`: those of the initial weights stay. `sync`: of the global batch (GPU). With fewer than about 16 samples a
    worker take frozen or sync."""
    dropout: float = 0.2
    """Before the last layer."""
    label_smoothing: float = 0.1
    mixup: float = 0.0
    """Parameter of the Beta distribution from which pairs are mixed (Zhang et al. 2018); 0 switches it off."""
    augment: AugmentConfig | None = field(default_factory=AugmentConfig)
    """None switches augmentation off."""
    partition: int | None = None
    """Which partition of a store that has them (Tobacco3482)."""
    with_excluded: bool = False
    """Also train on pages that the store lists as leaked from the set to transfer to."""
    classes: tuple[str, ...] = ()
    """Taken from the store."""

    def __post_init__(self) -> None:
        require(self.image_size >= 32, "image_size", self.image_size, "32 or more")
        require(0 <= self.dropout < 1, "dropout", self.dropout, "0 or more and below 1")
        require(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "0 or more and below 1")
        require(self.mixup >= 0, "mixup", self.mixup, "0 or more")
