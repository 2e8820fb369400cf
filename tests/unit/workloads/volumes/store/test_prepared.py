import pickle
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.data import files
from app.errors import DataError
from app.workloads.brats.scans import condition
from app.workloads.brats.source.contents import detect_layout
from app.workloads.brats.store.plan import plan_store
from app.workloads.volumes.store import prepared as store_module
from app.workloads.volumes.store.build_store import finish_store
from app.workloads.volumes.store.prepare import prepare_or_keep
from app.workloads.volumes.store.prepared import VolumeStore

MakeMsd = Callable[..., Path]


@pytest.fixture(autouse=True)
def _fresh_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_FRAMES", store_module._Frames())


@pytest.fixture(params=["local", "remote"])
def store(request: pytest.FixtureRequest, make_msd: MakeMsd, tmp_path: Path) -> VolumeStore:
    """Three labelled cases and one without a label."""
    root = str(tmp_path / "store") if request.param == "local" else f"memory://{tmp_path.name}/store"
    _, tasks = plan_store(str(make_msd(num_cases=3, num_test=1)), root)
    finish_store(root, [prepare_or_keep(task) for task in tasks], 0.0)
    return VolumeStore(root)


def source_voxels(store: VolumeStore, case_id: str) -> np.ndarray:
    """[C, D, H, W] of the stored box, straight from the source."""
    layout, cases = detect_layout(files.parent_of(files.parent_of(store.case(case_id).sources[0])))
    return condition(next(c for c in cases if c.id == case_id), layout).voxels


def test_whole_cases_are_those_of_the_source(store: VolumeStore) -> None:
    for case in store.cases:
        image, label = store.read_case(case)
        expected = source_voxels(store, case.id)
        assert image.dtype == np.int16
        assert (image == expected[:4]).all()
        assert (label is None) == (not case.has_label)
        if label is not None:
            assert label.dtype == np.uint8
            assert (label == expected[4]).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.data())
def test_patches_are_cut_from_the_zero_padded_box(store: VolumeStore, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(store.cases))
    shape = data.draw(st.tuples(*[st.integers(1, 30)] * 3))
    start = data.draw(st.tuples(*[st.integers(-35, 25)] * 3))
    patch = store.read_patch(case, start, shape)
    margin = 40
    padded = np.pad(source_voxels(store, case.id), ((0, 0), *[(margin, margin + 30)] * 3))
    expected = padded[(slice(None), *(slice(a + margin, a + margin + n) for a, n in zip(start, shape, strict=True)))]
    assert patch.dtype == np.int16
    assert patch.shape == expected.shape
    assert (patch == expected).all()


def test_splits_are_sorted_by_id(store: VolumeStore) -> None:
    names = [c.id for split in ("train", "validation", "test") for c in store.split(split)]
    assert sorted(names) == ["BRATS_001", "BRATS_002", "BRATS_003"]
    assert [c.id for c in store.split("unlabelled")] == ["BRATS_004"]
    train = [c.id for c in store.split("train")]
    assert train == sorted(train)


def test_an_unknown_case_is_named(store: VolumeStore) -> None:
    with pytest.raises(DataError, match="has no case 'X'"):
        store.case("X")


def test_a_pickled_store_reads_on_and_is_small(store: VolumeStore) -> None:
    store.read_patch(store.cases[0], (0, 0, 0), (4, 4, 4))
    content = pickle.dumps(store)
    again: VolumeStore = pickle.loads(content)
    assert (again.read_case(again.cases[0])[0] == store.read_case(store.cases[0])[0]).all()
    assert len(content) < 20_000 * len(store.cases)


@pytest.mark.parametrize("act", ["case", "patch"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_damaged_frame_is_an_error_and_never_wrong_voxels(store: VolumeStore, damage: str, act: str) -> None:
    case = store.cases[0]
    path = files.join(store.root, case.file)
    raw = bytearray(files.read_bytes(path))
    raw[len(raw) // 2] ^= 1
    if damage == "remove":
        files.remove(path)
    else:
        files.write_bytes_atomic(path, bytes(raw) if damage == "flip" else bytes(raw[:-3]))
    with pytest.raises(DataError, match=r"BRATS_001\.b2nd(: not found| is damaged)"):
        store.read_case(case) if act == "case" else store.read_patch(case, (0, 0, 0), (8, 8, 8))


def test_a_store_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        VolumeStore(str(tmp_path / "gone"))


def test_a_remote_frame_is_fetched_once(make_msd: MakeMsd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = f"memory://{tmp_path.name}/store"
    _, tasks = plan_store(str(make_msd(num_cases=3)), root)
    finish_store(root, [prepare_or_keep(task) for task in tasks], 0.0)
    store = VolumeStore(root)
    fetched: list[str] = []
    kind = fsspec.filesystem("memory").__class__
    original = kind.cat_file
    monkeypatch.setattr(kind, "cat_file", lambda self, path, **k: (fetched.append(path), original(self, path, **k))[1])
    for _ in range(3):
        for case in store.cases:
            store.read_patch(case, (1, 1, 1), (5, 5, 5))
    assert len(fetched) == 3
    monkeypatch.setattr(store_module, "MAX_FETCHED_BYTES", 2 * max(c.num_bytes for c in store.cases))
    monkeypatch.setattr(store_module, "_FRAMES", store_module._Frames())
    for case in [*store.cases, store.cases[2], store.cases[0]]:  # the cache holds two: the first has to come again
        store.read_patch(case, (1, 1, 1), (5, 5, 5))
    assert len(fetched) == 3 + 4
    assert store_module._FRAMES._fetched_bytes <= store_module.MAX_FETCHED_BYTES


def test_only_so_many_frames_stay_open(make_msd: MakeMsd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, tasks = plan_store(str(make_msd(num_cases=3)), str(tmp_path / "store"))
    finish_store(str(tmp_path / "store"), [prepare_or_keep(task) for task in tasks], 0.0)
    store = VolumeStore(str(tmp_path / "store"))
    monkeypatch.setattr(store_module, "MAX_OPEN_FRAMES", 2)
    for case in store.cases * 2:
        store.read_patch(case, (0, 0, 0), (4, 4, 4))
    assert len(store_module._FRAMES._open) == 2
