"""Any NIfTI file that nibabel writes comes out as nibabel reads it, turned to its closest canonical orientation."""

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.workloads.volumes.scans.reading import axis_codes, from_ras, read_volume, spacing_zyx, to_ras

TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
SLOPES = (1.0, 0.0, float("nan"), 0.00731, -0.5, 12.0, 2.0**-20)
INTERS = (0.0, -3.0, 0.1, 1000.0)


@st.composite
def affines(draw: st.DrawFn) -> npt.NDArray[np.float64]:
    """Turned, sheared and mirrored, with voxels of 0.1 to 9 mm."""
    affine = np.eye(4)
    entries = st.floats(-3, 3, width=32)
    affine[:3] = np.array(draw(st.lists(entries, min_size=12, max_size=12))).reshape(3, 4)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    assume((spacing > 0.1).all() and abs(np.linalg.det(affine[:3, :3] / spacing)) > 0.05)
    return affine


@st.composite
def nifti_files(draw: st.DrawFn) -> bytes:
    """A file with nibabel's header, packed or not."""
    kind: Any = draw(st.sampled_from([nib.Nifti1Header, nib.Nifti2Header]))
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=3, max_size=4)))
    dtype = np.dtype(draw(st.sampled_from(TYPES))).newbyteorder(order := draw(st.sampled_from("<>")))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    data = rng.integers(0, 100, shape) if dtype.kind == "u" else rng.integers(-100, 100, shape)
    header = kind(endianness=order)
    header.set_data_shape(shape)
    header.set_data_dtype(dtype)
    if draw(st.booleans()):
        header.set_qform(draw(affines()), 1, strip_shears=True)
    else:
        header.set_sform(affine := draw(affines()), 2)
        header.set_zooms((*nib.affines.voxel_sizes(affine), 1)[: len(shape)])
    header["scl_slope"], header["scl_inter"] = draw(st.sampled_from(SLOPES)), draw(st.sampled_from(INTERS))
    header["magic"], header["vox_offset"] = header.single_magic, header.single_vox_offset
    voxels = data.astype(dtype).tobytes(order="F")
    raw = header.binaryblock.ljust(int(header.single_vox_offset), b"\0") + voxels
    return gzip.compress(raw) if draw(st.booleans()) else raw


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
@given(nifti_files())
def test_a_file_is_read_as_nibabel_reads_it(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "v.nii").write_bytes(raw)
    volume = read_volume(str(tmp_path / "v.nii"))
    unpacked = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    image = (nib.Nifti1Image if unpacked[0] == 92 or unpacked[3] == 92 else nib.Nifti2Image).from_bytes(unpacked)
    canonical = nib.as_closest_canonical(image)

    assert np.allclose(volume.affine, image.affine, atol=1e-5)
    assert axis_codes(volume.affine) == "".join(nib.aff2axcodes(image.affine))
    assert np.allclose(spacing_zyx(volume.affine), nib.affines.voxel_sizes(canonical.affine)[::-1], rtol=1e-5)
    assert volume.has_place
    assert volume.notes == ()

    expected = canonical.get_fdata().squeeze(3) if canonical.shape[3:] == (1,) else canonical.get_fdata()
    ours = to_ras(volume.data, volume.affine)
    slope, inter = image.dataobj.slope, image.dataobj.inter
    assert ours.T.shape == expected.shape
    # scaled values are float32: rounded three times, each by 2^-24 of what is added
    assert np.abs(ours.T - expected).max() <= 3 * 2.0**-24 * (np.abs(100 * slope) + abs(inter))
    assert (from_ras(ours, volume.affine) == volume.data).all()
