import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from drawn_sets import draw_page, encoded, save_rvl, save_tobacco

from app.data import files
from app.errors import DataError, UsageError
from app.workloads.documents.pages.reading import stored_page
from app.workloads.documents.store import prepared as store_module
from app.workloads.documents.store.prepared import DocumentStore, open_store

Prepare = Callable[..., DocumentStore]

RVL = {
    "train": [(f"5000{i:04d}", i % 3, i) for i in range(20)],
    "val": [(f"5001{i:04d}", i % 3, i) for i in range(20, 25)],
    "test": [(f"5002{i:04d}", i % 3, i) for i in range(25, 35)],
}


@pytest.fixture(params=["local", "remote"])
def store(request: pytest.FixtureRequest, prepare: Prepare, tmp_path: Path) -> DocumentStore:
    root = str(tmp_path / "store") if request.param == "local" else f"memory://{tmp_path.name}/store"
    return prepare(save_rvl(tmp_path / "rvl", RVL), root)


def expected_page(seed: int) -> np.ndarray:
    return stored_page(encoded(draw_page(seed), "TIFF"), 64)[0]


def test_pages_come_back_in_any_order(store: DocumentStore) -> None:
    rows = np.random.default_rng(0).integers(0, 35, 60)
    pages = store.read_images(rows)
    assert pages.shape == (60, 64, 64)
    assert pages.dtype == np.uint8
    for row, page in zip(rows, pages, strict=True):
        assert (page == expected_page(int(row))).all()
    assert store.read_images(np.array([], np.int64)).shape == (0, 64, 64)


def test_the_manifest_knows_each_page(store: DocumentStore) -> None:
    row = store.row_of("imagesa/a/b/c/abc26d00/50020026")
    page = store.page(row)
    assert (page.label, page.split, page.document_id) == (2, "test", "50020026")
    assert (page.width, page.height) == (150, 200)
    assert page.source == "images/imagesa/a/b/c/abc26d00/50020026.tif"
    assert store.ids[row] == page.id
    assert store.labels[row] == page.label
    assert store.phashes[row] == page.phash
    with pytest.raises(DataError, match="has no page 'X'; it has 35 pages"):
        store.row_of("X")


def test_splits_are_those_of_the_data_set(store: DocumentStore) -> None:
    assert len(store) == 35
    assert [store.rows(name).tolist() for name in ("train", "validation", "test")] == [
        list(range(20)),
        list(range(20, 25)),
        list(range(25, 35)),
    ]
    with pytest.raises(UsageError, match=r"no split 'val'; expected one of train, validation, test"):
        store.rows("val")
    with pytest.raises(UsageError, match="has its own split and no partitions; got partition 0"):
        store.rows("train", 0)


def test_partitions_cover_all_pages(prepare: Prepare, tmp_path: Path) -> None:
    source = save_tobacco(tmp_path / "tobacco", {"ADVE": list(range(9)), "Memo": list(range(20, 30))})
    store = prepare(source, num_partitions=3, per_class=5)
    splits = [[store.rows(name, p).tolist() for name in ("train", "validation", "test")] for p in range(3)]
    for train, validation, test in splits:
        assert (len(train), len(validation), len(test)) == (8, 2, 9)
        assert sorted(train + validation + test) == list(range(19))
    assert splits[0] != splits[1]
    for wrong in (None, 3, -1):
        with pytest.raises(UsageError, match=f"has 3 partitions: got {wrong}, expected 0 to 2"):
            store.rows("train", wrong)


def test_no_partition_of_a_store_tears_a_document(prepare: Prepare, tmp_path: Path) -> None:
    """By names, and the pages of one TIFF."""
    for kind in "ab":
        (tmp_path / "set" / kind).mkdir(parents=True)
        for i in range(10):
            pages = [draw_page(100 * i + page) for page in range(2)]
            both = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
            (tmp_path / "set" / kind / f"scan{i}.tif").write_bytes(both)
            for page, name in zip(pages, (f"fax{i}_p1.png", f"fax{i}_p2.png"), strict=True):
                page.save(tmp_path / "set" / kind / name)
    store = prepare(tmp_path / "set", num_partitions=3, per_class=12)
    assert len(store) == 80
    for partition in range(3):
        places: dict[str, set[str]] = {}
        for split in ("train", "validation", "test"):
            for row in store.rows(split, partition):
                name = store.ids[row].split("/")[1]
                document = f"{store.ids[row][0]}/{name[:5]}" if name.startswith("scan") else name[:4]  # fax: in both
                places.setdefault(document, set()).add(split)
        assert len(places) == 30 and all(len(splits) == 1 for splits in places.values()), places


def test_a_pickled_store_is_small_and_opened_once(store: DocumentStore) -> None:
    assert len(pickle.dumps(store)) < 300
    once, twice = pickle.loads(pickle.dumps(store)), pickle.loads(pickle.dumps(store))
    assert once is twice
    assert (once.read_images(np.array([3])) == store.read_images(np.array([3]))).all()


def test_a_store_prepared_again_is_opened_anew(prepare: Prepare, tmp_path: Path) -> None:
    store = prepare(save_rvl(tmp_path / "rvl", RVL))
    once = pickle.loads(pickle.dumps(store))
    (tmp_path / "rvl" / store.page(0).source).unlink()
    prepare(tmp_path / "rvl")
    assert len(pickle.loads(pickle.dumps(once))) == 34


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:10] + bytes([b[10] ^ 1]) + b[11:], "is damaged: a page of .* has the checksum"),
        (lambda b: b[:-5], "is damaged: it ends before byte"),
    ],
)
def test_a_damaged_shard_is_named(
    prepare: Prepare, tmp_path: Path, change: Callable[[bytes], bytes], message: str
) -> None:
    store = prepare(save_rvl(tmp_path / "rvl", RVL))
    last = files.join(store.root, "images/00002.bin")
    files.write_bytes_atomic(last, change(files.read_bytes(last)))
    store.read_images(np.arange(32))
    with pytest.raises(DataError, match=rf"00002\.bin {message}"):
        store.read_images(np.arange(32, 35))


def test_a_missing_shard_is_named(store: DocumentStore) -> None:
    files.remove(files.join(store.root, "images/00001.bin"))
    with pytest.raises(DataError, match=r"00001\.bin"):
        store.read_images(np.array([17]))


def test_pages_that_lie_together_are_fetched_at_once(
    prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = prepare(save_rvl(tmp_path / "rvl", RVL), f"memory://{tmp_path.name}/merged")
    asked: list[int] = []
    read = files.read_ranges
    monkeypatch.setattr(files, "read_ranges", lambda ranges: asked.append(len(ranges)) or read(ranges))
    store.read_images(np.arange(35))
    assert asked == [3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("manifest.parquet", None, r"was never finished .*jobs/prepare\.py"),
        ("manifest.parquet", b"PAR1", r"manifest\.parquet is damaged"),
        ("store.json", None, r"store\.json: not found"),
        ("store.json", b"{", r"store\.json is damaged"),
        ("store.json", b'{"workload": "brats"}', r"store\.json is not of a store of documents"),
    ],
)
def test_a_damaged_store_does_not_open(
    prepare: Prepare, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    store = prepare(save_rvl(tmp_path / "rvl", RVL))
    files.remove(files.join(store.root, name))
    if content is not None:
        files.write_bytes_atomic(files.join(store.root, name), content)
    with pytest.raises(DataError, match=message):
        DocumentStore(store.root)


def test_a_store_of_another_format_does_not_open(
    prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = prepare(save_rvl(tmp_path / "rvl", RVL))
    monkeypatch.setattr(store_module, "FORMAT", 99)
    with pytest.raises(DataError, match="format 1; expected 'documents', format 99"):
        DocumentStore(store.root)


def test_a_process_opens_a_store_anew_when_it_was_prepared_anew(prepare: Prepare, tmp_path: Path) -> None:
    root = prepare(save_rvl(tmp_path / "rvl", RVL)).root
    opened = open_store(root)
    assert open_store(root) is opened
    files.write_bytes_atomic(f"{root}/manifest.parquet", files.read_bytes(f"{root}/manifest.parquet"))
    assert open_store(root) is not opened
    files.remove(f"{root}/manifest.parquet")
    with pytest.raises(DataError, match="was never finished"):
        open_store(root)
