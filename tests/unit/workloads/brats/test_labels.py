import numpy as np
import pytest
from monai.transforms import ConvertToMultiChannelBasedOnBratsClasses

from app.workloads.brats.labels import FILE_CODES, from_regions, region_masks, to_file_codes, to_internal
from app.workloads.volumes.labels import to_whole


@pytest.mark.parametrize(
    ("layout", "file_codes", "internal"),
    [
        ("msd", [0, 1, 2, 3], [0, 2, 1, 3]),
        ("brats2021", [0, 1, 2, 4], [0, 1, 2, 3]),
        ("brats2023", [0, 1, 2, 3], [0, 1, 2, 3]),
        ("brats2024", [0, 1, 2, 3], [0, 1, 2, 3]),
        ("brats2024-ped", [0, 2, 4, 1], [0, 1, 2, 3]),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, np.int64, ">i2"])
def test_codes_of_each_challenge(layout: str, file_codes: list[int], internal: list[int], dtype: str) -> None:
    """The tables of the data sets' own descriptions, written out."""
    label = np.array(file_codes, dtype).reshape(2, 2)
    ours = to_internal(label, layout)
    assert ours.dtype == np.uint8
    assert ours.tolist() == np.array(internal).reshape(2, 2).tolist()
    assert to_file_codes(ours, layout).ravel().tolist() == file_codes


@pytest.mark.parametrize(
    ("layout", "values", "seen"),
    [
        ("msd", [0, 4], "4"),
        ("brats2021", [3, 1], "3"),
        ("brats2023", [0, 4], "4"),
        ("msd", [1.5, 1.0], "1.5"),
        ("msd", [np.nan, 1.0], "nan"),
        ("msd", [-1.0, 256.0, np.inf], "-1, 256, inf"),
        ("msd", [257, 1], "257"),
    ],
)
def test_other_values_are_refused(layout: str, values: list[float], seen: str) -> None:
    with pytest.raises(
        ValueError, match=f"label values {seen} are no codes of this data set .0=background 1=.*--labels"
    ):
        to_internal(np.array(values), layout)


def test_regions_are_monais() -> None:
    """MONAI reads BraTS 2021 codes and gives TC, WT, ET."""
    file_label = np.array([[0, 1, 2, 4], [4, 2, 1, 0]], np.uint8)
    tumour_core, whole, enhancing = ConvertToMultiChannelBasedOnBratsClasses()(file_label)
    ours = region_masks(to_internal(file_label, "brats2021"))
    assert ours.dtype == np.bool_
    assert (ours == np.stack([whole, tumour_core, enhancing])).all()


def test_a_cavity_is_in_no_region_and_a_cyst_in_the_core() -> None:
    """WT, TC, ET of 4 = cavity (glioma, 2024) and 3 = cystic component (children, 2024)."""
    assert region_masks(to_internal(np.array([4]), "brats2024")).ravel().tolist() == [False, False, False]
    assert region_masks(to_internal(np.array([3]), "brats2024-ped")).ravel().tolist() == [True, True, False]


@pytest.mark.parametrize("challenge", list(FILE_CODES))
def test_what_is_written_is_read_as_it_was(challenge: str) -> None:
    internal = np.arange(4, dtype=np.uint8)
    written = to_file_codes(internal, challenge)
    assert written[0] == 0
    assert to_internal(written, challenge).tolist() == [0, 1, 2, 3]


def test_codes_that_lack_a_kind_of_tumour_are_not_written() -> None:
    with pytest.raises(ValueError, match="have none for core and edema"):
        to_file_codes(np.zeros(1, np.uint8), {0: "background", 2: "enhancing"})


def test_whole_is_any_tumour() -> None:
    masks = region_masks(np.array([0, 1, 2, 3], np.uint8), "whole")
    assert masks.tolist() == [[False, True, True, True]]


def test_codes_come_back_from_regions() -> None:
    codes = np.array([0, 1, 2, 3], np.uint8)
    assert from_regions(region_masks(codes)).tolist() == codes.tolist()
    assert from_regions(region_masks(codes, "whole"), "whole").tolist() == [0, 2, 2, 2]
    assert from_regions(np.array([[False], [False], [True]])).tolist() == [3]  # the inner region wins


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_whole_labels_are_taken_as_they_are(dtype: type) -> None:
    label = np.array([0, 1, 2, 4], dtype)
    whole, largest = to_whole(label)
    assert whole is label
    assert largest == 0


@pytest.mark.parametrize(
    ("values", "step", "whole", "largest"),
    [
        ([0.9999999, 2, -1e-9], 0, [1, 2, 0], 1e-7),
        ([1.00002, 1.99997, 0], 0, [1, 2, 0], 3e-5),
        ([1.001, 3.9991], 0, [1, 4], 1e-3),
        ([1.004, 0.0078], 4 / 255, [1, 0], 0.0078),  # codes 0 to 4 in 8 bits: half a step is 0.00784
    ],
)
def test_nearly_whole_labels_are_rounded(values: list[float], step: float, whole: list[int], largest: float) -> None:
    rounded, farthest = to_whole(np.array(values), step)
    assert rounded.tolist() == whole
    assert farthest == pytest.approx(largest, rel=1e-6)


@pytest.mark.parametrize(
    ("values", "step", "seen"),
    [
        ([1.0011, 2], 0, "1.0011"),
        ([0.5, 1.00002, np.nan, np.inf], 0, "0.5, inf, nan"),
        ([1.01], 4 / 255, "1.01"),
        ([1.3], 1.0, "1.3"),  # half of a step so coarse is no rounding
    ],
)
def test_labels_that_are_not_nearly_whole_say_so(values: list[float], step: float, seen: str) -> None:
    with pytest.raises(
        ValueError, match=f"label values {seen} are not whole numbers; expected codes, or values within"
    ):
        to_whole(np.array(values), step)
