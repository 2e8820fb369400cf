import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare

from app.data.samples.order import sample_order, sample_seeds
from app.errors import DataError
from app.workloads.brats.store.plan import plan_store
from app.workloads.volumes.store.build_store import finish_store
from app.workloads.volumes.store.prepare import prepare_or_keep
from app.workloads.volumes.store.prepared import VolumeStore
from app.workloads.volumes.store.samples import VolumeSamples, whole_start

PATCH = (8, 8, 8)


@pytest.fixture
def store(make_msd: Callable[..., Path], tmp_path: Path) -> VolumeStore:
    """Six cases, four of them for training."""
    root = str(tmp_path / "store")
    _, tasks = plan_store(str(make_msd(num_cases=6)), root)
    finish_store(root, [prepare_or_keep(task) for task in tasks], 0.0)
    return VolumeStore(root)


def seeds(count: int, first: int = 0) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def test_rows_are_cases_of_the_training_split(store: VolumeStore) -> None:
    samples = VolumeSamples(store, PATCH, samples_per_case=3)
    assert len(samples) == 12
    assert [c.id for c in samples.cases] == [c.id for c in store.split("train")]
    batch = samples.load(np.array([0, 2, 3, 11]), seeds(4))
    gains = [store.split("train")[i].gain for i in (0, 0, 1, 3)]
    assert (batch["gain"] == np.stack(gains)).all()


def test_a_batch_has_the_shapes_and_types_that_are_promised(store: VolumeStore) -> None:
    batch = VolumeSamples(store, (8, 6, 4)).load(np.array([0, 1]), seeds(2))
    assert {k: (v.shape, str(v.dtype)) for k, v in batch.items()} == {
        "image": ((2, 4, 8, 6, 4), "int16"),
        "label": ((2, 1, 8, 6, 4), "uint8"),
        "gain": ((2, 4), "float32"),
        "bias": ((2, 4), "float32"),
    }


def test_samples_are_cut_where_their_seed_says(store: VolumeStore) -> None:
    samples = VolumeSamples(store, PATCH, samples_per_case=5, foreground_share=0.5)
    rows, chosen = np.array([0, 7, 19, 7]), seeds(4)
    batch = samples.load(rows, chosen)
    for i, row in enumerate(rows):
        case = samples.cases[row // 5]
        start = samples.start_of(case, int(chosen[i]))
        box = (slice(None), *(slice(a, a + 8) for a in start))
        image, label = store.read_case(case)
        assert label is not None
        assert (batch["image"][i] == image[box]).all()
        assert (batch["label"][i] == label[None][box]).all()


def test_a_sample_depends_on_its_row_and_seed_alone(store: VolumeStore) -> None:
    samples = VolumeSamples(store, PATCH, samples_per_case=2)
    rows, chosen = sample_order(3, 5, len(samples), 6), sample_seeds(3, 5, len(samples), 6)
    whole = samples.load(rows, chosen)
    other = pickle.loads(pickle.dumps(samples))
    for i in reversed(range(6)):
        one = other.load(rows[i : i + 1], chosen[i : i + 1])
        assert all((one[name][0] == whole[name][i]).all() for name in whole)


def test_foreground_share_decides_how_often_a_tumour_voxel_is_met(store: VolumeStore) -> None:
    """Patches of 2^3: around a tumour voxel they hold it always, elsewhere hardly ever (216 of 3,510 voxels)."""

    def share_with_tumour(foreground_share: float) -> float:
        samples = VolumeSamples(store, (2, 2, 2), samples_per_case=100, foreground_share=foreground_share)
        batch = samples.load(np.arange(400), seeds(400))
        return float((batch["label"] > 0).any(axis=(1, 2, 3, 4)).mean())

    assert share_with_tumour(1.0) == 1.0
    assert share_with_tumour(0.0) < 0.2
    assert share_with_tumour(0.5) == pytest.approx(0.5 + 0.5 * share_with_tumour(0.0), abs=0.08)


def test_small_tumour_parts_come_as_often_as_large_ones(store: VolumeStore) -> None:
    """Patches of one voxel show which code was aimed at: 8 voxels of core, 152 of edema, 56 enhancing."""
    samples = VolumeSamples(store, (1, 1, 1), samples_per_case=300, foreground_share=1.0)
    codes = samples.load(np.arange(1200), seeds(1200))["label"].ravel()
    assert chisquare(np.bincount(codes, minlength=4)[1:]).pvalue > 1e-4


def test_patches_elsewhere_are_uniform_and_stay_inside(store: VolumeStore) -> None:
    samples = VolumeSamples(store, PATCH, foreground_share=0.0)
    case = samples.cases[0]
    starts = np.array([samples.start_of(case, int(s)) for s in seeds(3000)])
    for axis, size in enumerate(case.crop_shape):
        counts = np.bincount(starts[:, axis], minlength=size - 8 + 1)
        assert len(counts) == size - 8 + 1
        assert chisquare(counts).pvalue > 1e-4


def test_a_patch_around_a_voxel_is_moved_by_up_to_a_quarter_of_its_size(store: VolumeStore) -> None:
    """Of 8 voxels 2 each way: around the one voxel 6, 7, 9 of a box of 13 x 15 x 18, where nothing is clipped."""
    samples = VolumeSamples(store, PATCH, foreground_share=1.0)
    one = dataclasses.replace(samples.cases[0], foreground=np.array([[1, 6, 7, 9]], np.int16))
    moved = np.array([samples.start_of(one, int(s)) for s in seeds(2000)]) - (6 - 4, 7 - 4, 9 - 4)
    places, counts = np.unique(moved, axis=0, return_counts=True)
    assert len(places) == 5**3 and (places.min(), places.max()) == (-2, 2)
    assert chisquare(counts).pvalue > 1e-4


def test_patches_around_a_tumour_hold_its_voxel_and_stay_inside(store: VolumeStore) -> None:
    samples = VolumeSamples(store, PATCH, foreground_share=1.0)
    case = samples.cases[0]
    starts = np.array([samples.start_of(case, int(s)) for s in seeds(500)])
    voxels = case.foreground[:, 1:]
    offsets = voxels[None] - starts[:, None]  # every patch holds some listed voxel
    assert ((offsets >= 0) & (offsets < 8)).all(axis=2).any(axis=1).all()
    assert (starts >= 0).all()
    assert (starts <= np.array(case.crop_shape) - 8).all()
    assert len(np.unique(starts, axis=0)) > 100


def test_a_case_without_tumour_gives_patches_anywhere(store: VolumeStore) -> None:
    samples = VolumeSamples(store, PATCH, foreground_share=1.0)
    healthy = dataclasses.replace(samples.cases[0], foreground=np.zeros((0, 4), np.int16))
    start = samples.start_of(healthy, 1)
    assert all(0 <= a <= n - 8 for a, n in zip(start, healthy.crop_shape, strict=True))


def test_a_box_smaller_than_the_patch_is_put_in_its_middle(store: VolumeStore) -> None:
    samples = VolumeSamples(store, (32, 32, 8), foreground_share=0.5)
    case = samples.cases[0]  # the box is 13 x 15 x 18
    for seed in range(20):
        z, y, x = samples.start_of(case, seed)
        assert (z, y) == (-10, -9)
        assert 0 <= x <= 10
    batch = samples.load(np.array([0]), seeds(1))
    assert batch["image"][0, :, :10].max() == 0
    assert batch["image"][0, :, 10:23].max() > 0
    assert batch["image"][0, :, 23:].max() == 0


def test_whole_volumes_have_the_original_geometry(
    store: VolumeStore, image_xyzc: Callable[..., np.ndarray], label_xyz: np.ndarray
) -> None:
    """16 slices to 13: the first two and the last are dropped, as 155 to 152; 20 rows are padded to 22; 24 stay."""
    samples = VolumeSamples(store, (13, 22, 24), mode="whole")
    batch = samples.load(np.arange(4), seeds(4))
    for i, case in enumerate(samples.cases):
        volume = image_xyzc(int(case.id[-3:]) - 1).T  # C, D, H, W
        expected = np.pad(volume[:, 2:15], ((0, 0), (0, 0), (1, 1), (0, 0)))
        assert (batch["image"][i] == expected).all()
        whole_tumour = np.pad((label_xyz.T > 0)[2:15], ((0, 0), (1, 1), (0, 0)))
        assert ((batch["label"][i, 0] > 0) == whole_tumour).all()


def test_the_seed_studys_depth(store: VolumeStore) -> None:
    case = dataclasses.replace(store.cases[0], shape_zyx=(155, 240, 240), crop_start=(0, 0, 0))
    assert whole_start(case, (152, 240, 240)) == (2, 0, 0)
    assert whole_start(case, (160, 240, 240)) == (-2, 0, 0)


@pytest.mark.parametrize(
    "options",
    [{"samples_per_case": 0}, {"foreground_share": 1.5}, {"foreground_share": -0.1}, {"patch_size": (0, 8, 8)}],
)
def test_wrong_options_are_refused(store: VolumeStore, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        VolumeSamples(store, **{"patch_size": PATCH, **options})  # type: ignore[arg-type]


def test_a_store_without_training_cases_is_refused(store: VolumeStore) -> None:
    store.cases = [c for c in store.cases if c.split != "train"]
    with pytest.raises(DataError, match="no training case among its 2 cases"):
        VolumeSamples(store, PATCH)
