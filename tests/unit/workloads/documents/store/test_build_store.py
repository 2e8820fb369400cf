from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from drawn_sets import draw_page, save, save_rvl, save_tobacco
from quarantine_files import read_quarantine

from app.data import files
from app.data.store.manifest import read_claim, read_table, write_table
from app.errors import DataError, UsageError
from app.workloads.documents.source.listing import SourceOptions
from app.workloads.documents.store import build_store
from app.workloads.documents.store import prepare as prepare_module
from app.workloads.documents.store.build_store import finish_store, plan_store
from app.workloads.documents.store.prepare import prepare_or_keep
from app.workloads.documents.store.prepared import DocumentStore

Prepare = Callable[..., DocumentStore]

TOBACCO = SourceOptions(layout="tobacco")
KNOWN_CORRUPT = "imagesa/a/b/c/abc07d00/2500126531_2500126536"


def small_rvl(root: Path, num_pages: int = 40) -> Path:
    pages = [(f"5000{i:04d}", i % 16, i) for i in range(num_pages) if i != 7]
    return save_rvl(
        root, {"train": pages[:20], "val": pages[20:25], "test": [("2500126531_2500126536", 2, 7), *pages[25:]]}
    )


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes in bytes of the pages that were decoded."""
    sizes: list[int] = []
    read = prepare_module.stored_page
    monkeypatch.setattr(prepare_module, "stored_page", lambda b, *how: sizes.append(len(b)) or read(b, *how))
    return sizes


def test_bad_pages_are_set_aside_with_the_reason(prepare: Prepare, tmp_path: Path) -> None:
    source = small_rvl(tmp_path / "rvl")
    corrupt, missing = source / "images" / f"{KNOWN_CORRUPT}.tif", source / "images/imagesa/a/b/c/abc03d00/50000003.tif"
    corrupt.write_bytes(b"II*\0not a tiff")
    missing.unlink()
    store = prepare(source)
    assert len(store) == 38
    assert KNOWN_CORRUPT not in store.ids
    bad = {case.id: case for case in read_quarantine(store.root)}
    assert bad[KNOWN_CORRUPT].file == f"images/{KNOWN_CORRUPT}.tif"
    assert "begins with b'II*" in bad[KNOWN_CORRUPT].reason
    assert "not found" in bad["imagesa/a/b/c/abc03d00/50000003"].reason
    assert store.read_images(np.arange(38)).shape == (38, 64, 64)


def test_too_much_that_is_bad_ends_it(prepare: Prepare, tmp_path: Path) -> None:
    source = small_rvl(tmp_path / "rvl")
    for path in sorted((source / "images").rglob("*.tif"))[:5]:
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"5 of 40 cases are bad, at most 10%.*the file is empty"):
        prepare(source, max_bad_fraction=0.1)
    assert not Path(tmp_path / "rvl-store" / "manifest.parquet").exists()


def test_started_again_it_does_what_is_missing(prepare: Prepare, tmp_path: Path, decoded: list[int]) -> None:
    source, root = small_rvl(tmp_path / "rvl"), str(tmp_path / "store")
    plan = plan_store(str(source), root, image_size=64)
    assert [len(task.pages) for task in plan.tasks] == [16, 16, 8]
    prepare_or_keep(plan.tasks[1])
    assert len(decoded) == 16
    store = prepare(source, root)
    assert len(decoded) == 40
    before = files.read_bytes(f"{root}/images/00002.bin")
    Path(root, "images/00002.bin").write_bytes(before[:-1])  # as after a full disk
    Path(root, "images/00000.parquet").write_bytes(b"")
    assert (prepare(source, root).read_images(np.arange(40)) == store.read_images(np.arange(40))).all()
    assert len(decoded) == 40 + 8 + 16
    prepare(source, root)
    assert len(decoded) == 64


def test_a_changed_page_is_prepared_anew(prepare: Prepare, tmp_path: Path, decoded: list[int]) -> None:
    source = small_rvl(tmp_path / "rvl")
    before = prepare(source).read_images(np.arange(40))
    page = sorted((source / "images").rglob("*.tif"))[0]
    save(page, draw_page(1000), compression="tiff_lzw")
    again = prepare(source)
    assert len(decoded) == 40 + 16
    changed = (again.read_images(np.arange(40)) != before).any((1, 2))
    assert np.flatnonzero(changed).tolist() == [0]


def test_a_repaired_page_comes_in(prepare: Prepare, tmp_path: Path) -> None:
    source = small_rvl(tmp_path / "rvl")
    page = source / "images" / f"{KNOWN_CORRUPT}.tif"
    content = page.read_bytes()
    page.write_bytes(b"")
    assert len(prepare(source)) == 39
    page.write_bytes(content)
    assert len(prepare(source)) == 40
    assert read_quarantine(str(tmp_path / "rvl-store")) == []


def test_other_options_want_another_store(prepare: Prepare, tmp_path: Path) -> None:
    source = small_rvl(tmp_path / "rvl")
    prepare(source)
    with pytest.raises(UsageError, match="was made with image_size 64, now 128: use another --store or delete it"):
        prepare(source, image_size=128)


def test_sets_without_a_split_are_drawn_by_seed(prepare: Prepare, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for i in range(40):
        save(root / "ab"[i % 2] / f"{i}.png", draw_page(i))
    store = prepare(root)
    counts = [len(store.rows(name)) for name in ("train", "validation", "test")]
    assert counts == [28, 6, 6]
    other = prepare(root, str(tmp_path / "other"), seed=1)
    assert [other.ids[i] for i in other.rows("train")] != [store.ids[i] for i in store.rows("train")]
    assert store.options.num_partitions == store.options.per_class == 0
    partitioned = prepare(root, str(tmp_path / "partitioned"), num_partitions=2, per_class=5)
    assert len(partitioned.rows("test", 1)) == 30


def test_options_are_checked_before_anything_is_written(tmp_path: Path) -> None:
    rvl, tobacco = small_rvl(tmp_path / "rvl"), save_tobacco(tmp_path / "tobacco", {"ADVE": [1, 2, 3], "Memo": [4, 5]})
    store = tmp_path / "store"
    wrong = [
        (rvl, {"num_partitions": 5}, "--num-partitions: got 5 .* has its own split; expected 0"),
        (rvl, {"image_size": 8}, "--image-size: got 8, expected 32 to 4096"),
        (tobacco, {"how": TOBACCO}, r"--per-class: got 100 .*\(ADVE 3, Memo 2\); expected at most 1"),
    ]
    for source, options, message in wrong:
        with pytest.raises(UsageError, match=message):
            plan_store(str(source), str(store), **options)
    with pytest.raises(DataError, match="nowhere does not exist"):
        plan_store(str(rvl), str(store), compare_with=str(tmp_path / "nowhere"))
    assert not store.exists()


def test_large_sets_are_cut_into_shards_of_bounded_size(tmp_path: Path) -> None:
    listing = "".join(f"a/{i:08d}.tif {i % 16}\n" for i in range(40_000))
    (tmp_path / "labels").mkdir()
    for name, text in (("train", listing), ("val", ""), ("test", "")):
        (tmp_path / "labels" / f"{name}.txt").write_text(text)
    plan = plan_store(str(tmp_path), str(tmp_path / "store"))
    assert {len(task.pages) for task in plan.tasks[:-1]} == {build_store.MAX_PAGES_PER_SHARD}
    assert plan.num_pages == 40_000


def test_pages_of_another_store_are_left_out_of_training(prepare: Prepare, tmp_path: Path) -> None:
    """By construction: page 2 has a stamped number of the other set (drawn differently), page 3 its picture, and so
    page 22, which validates; page 30, which tests, both."""
    other = prepare(
        save_tobacco(tmp_path / "tobacco", {"ADVE": [500, 3], "Memo": [30, 22, 501, 502]}),
        per_class=2,
        num_partitions=0,
        how=TOBACCO,
    )
    pages = [(f"6000{i:04d}", 0, i) for i in range(40)]
    pages[2] = ("50000500_0501", 0, 2)
    pages[30] = ("50000030", 0, 30)
    source = save_rvl(tmp_path / "rvl", {"train": pages[:20], "val": pages[20:25], "test": pages[25:]})
    store = prepare(source, compare_with=other.root)
    reasons = {store.row_of(page_id): reason for page_id, reason in store.excluded_ids().items()}
    assert set(reasons) == {2, 3, 22, 30}
    assert reasons[2] == "the document 50000500 is there as ADVE/50000500_0500"
    assert reasons[3].startswith("looks like ADVE/50000003_0003 (")
    assert set(range(20)) - set(store.rows("train").tolist()) == {2, 3}
    assert store.rows("train", with_excluded=True).tolist() == list(range(20))
    assert store.rows("validation").tolist() == [20, 21, 23, 24], "a network is not chosen by pages it transfers to"
    assert store.rows("validation", with_excluded=True).tolist() == [20, 21, 22, 23, 24]
    assert 30 in store.rows("test")
    again = prepare(source)  # goes on with the same comparison
    assert again.excluded_ids() == store.excluded_ids()


def test_test_pages_that_training_has_seen_are_listed(prepare: Prepare, tmp_path: Path) -> None:
    pages = {
        "train": [(f"5000{i:04d}", 0, i) for i in range(10)],
        "val": [("50001000", 0, 77)],
        "test": [("50002000", 0, 4), ("50002001", 0, 77), ("50002002", 0, 78)],
    }
    store = prepare(save_rvl(tmp_path / "rvl", pages))
    assert store.duplicated(np.arange(14)) == [*[None] * 10, False, True, False, False]
    path = Path(store.root, "duplicates.parquet")
    table = read_table(str(path)).rename_columns({"page_id": "test_id"}).drop_columns(["split"])
    write_table(str(path), table)  # as stores had it once: nobody looked at validation pages
    assert DocumentStore(store.root).duplicated(np.arange(14)) == [*[None] * 11, True, False, False]
    assert store.excluded_ids() == {}


def test_duplicates_are_those_of_the_partition(prepare: Prepare, tmp_path: Path) -> None:
    source = save_tobacco(tmp_path / "tobacco", {"ADVE": list(range(8)), "Memo": list(range(20, 28))})
    twin = source / "Memo" / "50009999.png"
    save(twin, draw_page(3))
    store = prepare(source, num_partitions=6, per_class=4)
    first, second = store.row_of("ADVE/50000003_0003"), store.row_of("Memo/50009999")
    seen = set()
    for partition in range(6):
        train, test = store.rows("train", partition), store.rows("test", partition)
        expected = {store.ids[a] for a, b in ((first, second), (second, first)) if a in test and b in train}
        assert {store.ids[row] for row in test if store.duplicated([row], partition) == [True]} == expected
        seen |= expected
    assert seen


def test_a_damaged_list_of_pages_is_named(prepare: Prepare, tmp_path: Path) -> None:
    store = prepare(small_rvl(tmp_path / "rvl"))
    Path(store.root, "duplicates.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"duplicates\.parquet is damaged"):
        store.duplicated([0])


def test_store_json_says_how_it_was_made(prepare: Prepare, tmp_path: Path) -> None:
    source = save_tobacco(tmp_path / "tobacco", {"ADVE": [1, 2, 3], "Memo": [4, 5, 6]})
    store = prepare(source, per_class=2, seed=7, how=TOBACCO)
    made = read_claim(store.root)
    assert made.pop("classes") == list(store.options.classes)
    assert made == {
        "workload": "documents",
        "format": 1,
        "layout": "tobacco",
        "image_size": 64,
        "num_partitions": 10,
        "seed": 7,
        "per_class": 2,
        "groups": "names",
    }


def test_parquet_pages_are_prepared_by_row_group(prepare: Prepare, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from drawn_sets import encoded

    images = [encoded(draw_page(i), "JPEG", quality=95) for i in range(20)]
    images[5], images[6] = None, b"broken"
    table = pa.table({"image": pa.array(images, pa.binary()), "label": [i % 2 for i in range(20)]})
    (tmp_path / "mirror").mkdir()
    pq.write_table(table, tmp_path / "mirror" / "all.parquet", row_group_size=6)
    store = prepare(tmp_path / "mirror")
    assert {case.id: case.reason[:20] for case in read_quarantine(store.root)} == {
        "all/000005": "the row has no image",
        "all/000006": "no image of TIFF, JP",
    }
    assert store.ids[5] == "all/000007"
    page = np.asarray(draw_page(7).resize((64, 64)))
    assert np.abs(store.read_images(np.array([5]))[0].astype(int) - page).mean() < 12


def test_finish_wants_the_shards_in_no_order(tmp_path: Path) -> None:
    source = small_rvl(tmp_path / "rvl")
    plan = plan_store(str(source), str(tmp_path / "store"), image_size=64)
    shards = [prepare_or_keep(task) for task in reversed(plan.tasks)]
    store = finish_store(str(tmp_path / "store"), plan, shards, 0.0)
    assert store.ids == [page.id for task in plan.tasks for page in task.pages]


def touch_pages(root: Path, *folders: str, num_pages: int = 20) -> str:
    """Empty files; a plan reads none."""
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for number in range(num_pages):
            (root / folder / f"{number}.png").touch()
    return str(root)


def splits_of(source: str, store: Path, **options: int) -> Counter[str]:
    return Counter(page.split for task in plan_store(source, str(store), **options).tasks for page in task.pages)


def test_what_a_set_has_no_split_for_is_drawn(tmp_path: Path) -> None:
    """A set of `train` alone is drawn whole; one without validation pages gets some of its training pages."""
    alone = touch_pages(tmp_path / "alone", "train/a", "train/b")
    assert splits_of(alone, tmp_path / "s1") == {"train": 28, "validation": 6, "test": 6}
    assert splits_of(alone, tmp_path / "s2", num_partitions=1, per_class=4) == {"": 40}
    both = touch_pages(tmp_path / "both", "train/a", "train/b", "test/a")
    assert splits_of(both, tmp_path / "s3") == {"train": 36, "validation": 4, "test": 20}


def test_pages_in_no_split_are_told(tmp_path: Path) -> None:
    """A column of splits with a word that is none: these pages have a class and would be missed by nobody."""
    lines = ["file_name,label,split"]
    for number, split in enumerate(("train", "train", "val", "test", "holdout", "holdout")):
        save(tmp_path / "source" / f"{number}.png", draw_page(number))
        lines.append(f"{number}.png,{'ab'[number % 2]},{split}")
    (tmp_path / "source" / "metadata.csv").write_text("\n".join(lines))
    told: list[str] = []
    plan_store(str(tmp_path / "source"), str(tmp_path / "store"), 64, tell=told.append)
    assert (
        "splits (of the data set): 2 train, 1 validation, 1 test; 2 with a class are in none of them, neither trained "
        "nor scored on"
    ) in told
