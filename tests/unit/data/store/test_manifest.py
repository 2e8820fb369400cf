from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.data import files
from app.data.store.manifest import (
    MANIFEST_NAME,
    STORE_NAME,
    claim_store,
    fingerprint,
    read_claim,
    read_manifest,
    read_manifest_table,
    read_table,
    write_manifest,
    write_table,
)
from app.errors import DataError, UsageError

ROWS = [
    {"id": "a", "split": "train", "crc32": 2**32 - 1, "mean": [0.1, -2.5], "codes": [1, 2, 3], "has_label": True},
    {"id": "b", "split": "test", "crc32": 0, "mean": [3.0, 4.0], "codes": [], "has_label": False},
]


@pytest.mark.parametrize("root", ["{tmp}/store", "memory://{name}/manifest"])
def test_rows_come_back_exactly(root: str, tmp_path: Path) -> None:
    store = root.format(tmp=tmp_path, name=tmp_path.name)
    write_manifest(store, ROWS)
    assert read_manifest(store) == ROWS


def test_a_store_that_is_not_there_is_told_from_one_that_was_never_finished(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist .*jobs/prepare\.py"):
        read_manifest(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="was never finished"):
        read_manifest(str(tmp_path))


@pytest.mark.parametrize("keep", [0, 10, -20])
def test_a_damaged_manifest_is_named(tmp_path: Path, keep: int) -> None:
    write_manifest(str(tmp_path), ROWS)
    path = tmp_path / MANIFEST_NAME
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"manifest\.parquet is damaged"):
        read_manifest(str(tmp_path))


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_manifest(str(tmp_path), ROWS)
    assert files.list_files(str(tmp_path)) == [str(tmp_path / MANIFEST_NAME)]
    assert len(list(tmp_path.iterdir())) == 1


def test_columns_are_those_of_the_rows(tmp_path: Path) -> None:
    write_manifest(str(tmp_path), ROWS)
    table = read_manifest_table(str(tmp_path))
    assert table["id"].to_pylist() == ["a", "b"]
    write_table(str(tmp_path / "more.parquet"), table)
    assert read_table(str(tmp_path / "more.parquet")).equals(table)
    with pytest.raises(DataError, match=r"nothing\.parquet: not found"):
        read_table(str(tmp_path / "nothing.parquet"))


def test_a_fingerprint_tells_cases_apart_and_not_copies_nor_notes(tmp_path: Path) -> None:
    def of(name: str, rows: list[dict[str, object]]) -> str:
        write_manifest(str(tmp_path / name), rows)
        return fingerprint(str(tmp_path / name))

    first, second = ROWS
    known = of("first", ROWS)
    assert of("copy", [second, first]) == known
    assert of("with notes", [{**row, "notes": "resampled"} for row in ROWS]) == known
    others = [
        of("fewer", [first]),
        of("split", [{**first, "split": "test"}, second]),
        of("pixels", [first, {**second, "crc32": 1}]),
        of("label", [{**row, "label": 0} for row in ROWS]),
    ]
    assert len({known, *others}) == 5


def test_a_fingerprint_is_of_the_store_as_it_is_now(tmp_path: Path) -> None:
    write_manifest(str(tmp_path), ROWS)
    before = fingerprint(str(tmp_path))
    write_manifest(str(tmp_path), ROWS[:1])
    assert fingerprint(str(tmp_path)) != before
    with pytest.raises(DataError, match="does not exist"):
        fingerprint(str(tmp_path / "nowhere"))


def test_a_store_is_made_by_the_same_options_every_time(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    claim_store(store, {"seed": 1, "fold": None})
    claim_store(store, {"seed": 1, "fold": None})
    assert read_claim(store) == {"seed": 1, "fold": None}
    for other, told in (({"seed": 2, "fold": None}, "seed 1, now 2"), ({"fold": None}, "seed 1, now None")):
        with pytest.raises(UsageError, match=f"was made with {told}: use another --store"):
            claim_store(store, other)


def test_a_damaged_store_json_is_named(tmp_path: Path) -> None:
    (tmp_path / STORE_NAME).write_text("[1]")
    for act in (lambda: read_claim(str(tmp_path)), lambda: claim_store(str(tmp_path), {"seed": 1})):
        with pytest.raises(DataError, match=r"store\.json is damaged: got \[1\], expected an object"):
            act()


def test_no_flipped_bit_gives_other_rows_or_options(tmp_path: Path) -> None:
    """Of 400 in a manifest without a checksum 280 did."""
    store = str(tmp_path)
    write_manifest(store, ROWS)
    claim_store(store, {"seed": 1, "fold": None})
    refused = 0
    for name, read in ((MANIFEST_NAME, read_manifest), (STORE_NAME, read_claim)):
        path = tmp_path / name
        whole, right = path.read_bytes(), read(store)
        for number in range(0, 8 * len(whole), 13):
            flipped = bytearray(whole)
            flipped[number // 8] ^= 1 << number % 8
            path.write_bytes(flipped)
            try:
                assert read(store) == right
            except DataError:
                refused += 1
        path.write_bytes(whole)
    assert refused > 1000


def test_stores_without_checksums_are_taken_and_get_one_when_they_are_made_again(tmp_path: Path) -> None:
    store = str(tmp_path)
    write_manifest(store, ROWS)
    path = tmp_path / MANIFEST_NAME
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    assert read_manifest(store) == ROWS
    (tmp_path / STORE_NAME).write_text('{"seed": 1}')
    assert read_claim(store) == {"seed": 1}
    claim_store(store, {"seed": 1})
    assert read_claim(store) == {"seed": 1}
    assert '"checksum": "sha256:' in (tmp_path / STORE_NAME).read_text()
    (tmp_path / STORE_NAME).write_text((tmp_path / STORE_NAME).read_text().replace("1", "2", 1))
    with pytest.raises(DataError, match="its checksum does not match"):
        read_claim(store)


def test_options_that_could_not_be_read_back_are_refused(tmp_path: Path) -> None:
    """Else the store would be damaged from its beginning."""
    with pytest.raises(UsageError, match="the options of the store: got a number of 133 bits, expected at most 63"):
        claim_store(str(tmp_path / "store"), {"seed": 10**40})
    assert not (tmp_path / "store").exists()
