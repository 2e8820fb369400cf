"""MONAI's usual pipeline for MSD brain tumours: transforms, data sets, loaders, as its tutorials write them.

Sources: MONAI's spleen and BraTS segmentation tutorials (Project-MONAI/tutorials, 3d_segmentation): the order of the
transforms, NormalizeIntensityd(nonzero, channel_wise), RandCropByPosNegLabeld with as many positive as negative
centres, flips with probability 0.5 an axis, intensity scale and shift by up to 0.1.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

Patch = tuple[int, int, int]

KEYS = ("image", "label")


def items(source: Path, case_ids: Sequence[str]) -> list[dict[str, str]]:
    """MONAI's list of what belongs together."""
    return [
        {
            "image": str(source / "imagesTr" / f"{case}.nii.gz"),
            "label": str(source / "labelsTr" / f"{case}.nii.gz"),
            "case": case,
        }
        for case in case_ids
    ]


def deterministic_transforms(crop: bool = True) -> list[Any]:
    """From files to normalised volumes [C, X, Y, Z], `crop` cuts away what is 0 around the head."""
    from monai.transforms.croppad.dictionary import CropForegroundd
    from monai.transforms.intensity.dictionary import NormalizeIntensityd
    from monai.transforms.io.dictionary import LoadImaged
    from monai.transforms.spatial.dictionary import Orientationd
    from monai.transforms.utility.dictionary import EnsureChannelFirstd

    steps: list[Any] = [
        LoadImaged(keys=KEYS),
        EnsureChannelFirstd(keys=KEYS),
        Orientationd(keys=KEYS, axcodes="RAS", labels=None),
        NormalizeIntensityd(keys="image", nonzero=True, channel_wise=True),
    ]
    if crop:
        steps.append(CropForegroundd(keys=KEYS, source_key="image"))
    return steps


def random_crop(patch: Patch, num_samples: int) -> Any:
    """`num_samples` patches of a volume, half of them on foreground."""
    from monai.transforms.croppad.dictionary import RandCropByPosNegLabeld

    return RandCropByPosNegLabeld(
        keys=KEYS,
        label_key="label",
        spatial_size=patch,
        pos=1,
        neg=1,
        num_samples=num_samples,
        image_key="image",
        image_threshold=0,
        allow_smaller=True,
    )


def augmentations(patch: Patch) -> list[Any]:
    """What the BraTS tutorial does at random to a patch; smaller volumes are padded first."""
    from monai.transforms.croppad.dictionary import SpatialPadd
    from monai.transforms.intensity.dictionary import RandScaleIntensityd, RandShiftIntensityd
    from monai.transforms.spatial.dictionary import RandFlipd

    flips = [RandFlipd(keys=KEYS, prob=0.5, spatial_axis=axis) for axis in range(3)]
    return [
        SpatialPadd(keys=KEYS, spatial_size=patch),
        *flips,
        RandScaleIntensityd(keys="image", factors=0.1, prob=1.0),
        RandShiftIntensityd(keys="image", offsets=0.1, prob=1.0),
    ]


class RegionsOfMsdCodes:
    """MSD's label codes [1, X, Y, Z] (1 edema, 2 non-enhancing, 3 enhancing) as channels WT, TC, ET, float32."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        import torch

        label = data["label"]
        return {**data, "label": torch.cat([label > 0, (label == 2) | (label == 3), label == 3]).float()}


def make_dataset(kind: str, data: Sequence[dict[str, str]], transforms: Sequence[Any], cache_folder: Path) -> Any:
    """`Dataset` computes all anew, `PersistentDataset` keeps what is not random on disk, `CacheDataset` in memory."""
    from monai.data.dataset import CacheDataset, Dataset, PersistentDataset
    from monai.transforms.compose import Compose

    composed = Compose(list(transforms))
    if kind == "Dataset":
        return Dataset(list(data), composed)
    if kind == "PersistentDataset":
        cache_folder.mkdir(parents=True, exist_ok=True)
        return PersistentDataset(list(data), composed, cache_dir=str(cache_folder))
    return CacheDataset(list(data), composed, cache_rate=1.0, num_workers=1, progress=False)
