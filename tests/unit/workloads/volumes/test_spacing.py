"""Voxel sizes: read from headers, compared, and the one that training takes."""

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from app.workloads.volumes.source.case_files import CaseFiles
from app.workloads.volumes.spacing import Spacing, common_spacing, differs, in_words, read_spacings

ONE = (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("spacing", "target", "expected"),
    [
        (ONE, ONE, False),
        ((float(np.float32(1.05)), 1.0, 1.0), ONE, False),
        ((1.0, 0.951, 1.0), ONE, False),
        ((1.0, 1.0, 1.06), ONE, True),
        ((0.94, 1.0, 1.0), ONE, True),
        ((5.0, 0.9, 0.9), (5.0, 0.94, 0.94), False),
        ((5.0, 1.0, 1.0), ONE, True),
    ],
)
def test_a_twentieth_along_any_axis_makes_a_difference(spacing: Spacing, target: Spacing, expected: bool) -> None:
    assert differs(spacing, target) is expected


def test_training_takes_the_median_along_each_axis() -> None:
    """By hand: of z 1, 5, 6 it is 5; of y 0.9375, 1, 1 it is 1; of x 0.4688, 0.4691, 2 it is 0.4691, rounded 0.47."""
    cases = [(1.0, 1.0, 0.4691), (5.0, 0.9375, 2.0), (6.0, 1.0, 0.4688)]
    assert common_spacing(cases) == (5.0, 1.0, 0.47)
    assert common_spacing([(1.0, 1.0, 1.0), (2.0, 1.0, 1.0)]) == (1.5, 1.0, 1.0)
    assert common_spacing([(0.001, 1.0, 1.0)]) == (0.01, 1.0, 1.0)
    assert common_spacing([]) is None


def test_in_words_axes_are_in_peoples_order() -> None:
    assert in_words((5.0, 0.9375, 1.0)) == "1 x 0.938 x 5 mm"


def test_headers_of_every_kind_say_z_y_x(tmp_path: Path, write_nifti: Callable[..., str]) -> None:
    """Voxels of 1 mm to the right, 2 forward, 3 up, whichever axis of the file that is."""
    data = np.zeros((2, 3, 4), np.int16)
    straight = np.diag([1.0, 2.0, 3.0, 1.0])
    turned = np.array([[0, 0, -1.0, 0], [2.0, 0, 0, 0], [0, -3.0, 0, 0], [0, 0, 0, 1]])  # file axes: y, -z, -x
    paths = [write_nifti(tmp_path / name, data, straight) for name in ("a.nii", "b.nii.gz")]
    paths.append(write_nifti(tmp_path / "c.nii.gz", data, turned))
    nib.save(nib.Nifti2Image(data, straight), tmp_path / "d.nii")
    big = nib.Nifti1Image(data, straight, nib.Nifti1Header(endianness=">"))
    nib.save(big, tmp_path / "e.nii")
    paths += [str(tmp_path / "d.nii"), str(tmp_path / "e.nii")]
    found = read_spacings([CaseFiles(p, (p,), None) for p in paths])
    assert found == [(3.0, 2.0, 1.0)] * 5


def test_headers_that_can_not_be_read_have_no_say(tmp_path: Path, write_nifti: Callable[..., str]) -> None:
    good = write_nifti(tmp_path / "good.nii", np.zeros((2, 2, 2), np.int16))
    contents = [b"", b"\x1f\x8b broken", b"no header", gzip.compress(b"\0" * 400), Path(good).read_bytes()[:100]]
    cases = [CaseFiles("good", (good,), None), CaseFiles("gone", (str(tmp_path / "gone.nii"),), None)]
    for number, content in enumerate(contents):
        path = tmp_path / f"bad{number}.nii"
        path.write_bytes(content)
        cases.append(CaseFiles(path.name, (str(path),), None))
    assert read_spacings(cases) == [ONE]
