"""What is segmented in which images, as one value: all that the code about volumes has to know of what is in them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Anatomy:
    """A kind of scan and of label. Codes are the internal ones, 0 being background."""

    modalities: tuple[str, ...]
    """Names of the image's channels, in their order."""
    meanings: Mapping[str, int]
    """What a code of a label file may stand for -> internal code; several may be one. Has `background`."""
    regions: Mapping[str, tuple[int, ...]]
    """Region -> internal codes in it: a region is one output of a network."""
    outputs: Mapping[str, tuple[str, ...]]
    """Choice of outputs -> its regions in the order of the channels, outer ones first."""
    painted: Mapping[str, int]
    """Region -> internal code of a voxel whose last region, in the order of the outputs, it is."""
    has_empty_background: bool = True
    """Whether what surrounds the organ is 0 in every modality, as after skull stripping."""

    @property
    def num_modalities(self) -> int:
        return len(self.modalities)

    @property
    def num_codes(self) -> int:
        """Background included."""
        return max(self.meanings.values()) + 1

    def region_codes(self, names: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
        return tuple(self.regions[name] for name in names)
