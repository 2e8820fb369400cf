import json
import os
from pathlib import Path

import fsspec
import pytest

from app.data import files
from app.errors import DataError


@pytest.fixture(params=["local", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "store")
    return f"memory://{tmp_path.name}/store"


def test_what_is_written_is_read_again(root: str) -> None:
    path = files.join(root, "a", "b.bin")
    assert not files.exists(path)
    files.write_bytes_atomic(path, b"one")
    files.write_bytes_atomic(path, b"two")
    assert files.exists(path)
    assert files.is_folder(files.parent_of(path))
    assert not files.is_folder(path)
    assert files.read_bytes(path) == b"two"
    assert files.stamp(path).num_bytes == 3


def test_parts_of_files_are_read(root: str) -> None:
    a, b = files.join(root, "a.bin"), files.join(root, "b.bin")
    files.write_bytes_atomic(a, b"0123456789")
    files.write_bytes_atomic(b, b"abcdef")
    assert files.read_ranges([(b, 2, 4), (a, 0, 3), (a, 9, 10), (b, 5, 5)]) == [b"cd", b"012", b"9", b""]
    assert files.read_ranges([]) == []
    with pytest.raises(DataError, match=r"b\.bin is damaged: it ends before byte 7"):
        files.read_ranges([(a, 0, 10), (b, 3, 7)])
    with pytest.raises(DataError, match=r"c\.bin"):
        files.read_ranges([(files.join(root, "c.bin"), 0, 1)])


def test_json_is_plain_text(root: str) -> None:
    path = files.join(root, "x.json")
    files.write_json(path, {"a": [1, None]})
    assert files.read_json(path) == {"a": [1, None]}
    assert json.loads(files.read_bytes(path)) == {"a": [1, None]}


def test_all_files_below_a_folder_are_listed_without_hidden_ones(root: str) -> None:
    for name in ("b/2.txt", "a.txt", "b/.hidden", ".git/c", "b/1.txt", "b/._mac.txt"):
        files.write_bytes_atomic(files.join(root, name), b"x")
    listed = files.list_files(root)
    assert [p[len(root) + 1 :] if not files.is_url(p) else p.split("/store/")[1] for p in listed] == [
        "a.txt",
        "b/1.txt",
        "b/2.txt",
    ]
    assert all(files.read_bytes(p) == b"x" for p in listed)


def test_a_removed_file_is_gone_and_removing_it_again_is_fine(root: str) -> None:
    path = files.join(root, "x")
    files.write_bytes_atomic(path, b"x")
    files.remove(path)
    files.remove(path)
    assert not files.exists(path)


@pytest.mark.parametrize("act", [files.read_bytes, files.stamp, files.list_files, files.read_json])
def test_what_is_missing_is_named(root: str, act: object) -> None:
    path = files.join(root, "gone")
    with pytest.raises(DataError, match=r"gone: not found"):
        act(path)  # type: ignore[operator]


def test_damaged_json_is_named(root: str) -> None:
    path = files.join(root, "x.json")
    files.write_bytes_atomic(path, b"{")
    with pytest.raises(DataError, match=r"x\.json is damaged"):
        files.read_json(path)


def test_a_change_changes_the_stamp(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    os.utime(path, ns=(1, 1))
    before = files.stamp(str(path))
    path.write_bytes(b"abd")
    assert files.stamp(str(path)) != before


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        files.write_bytes_atomic(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_written_file_may_be_read_by_others(tmp_path: Path) -> None:
    files.write_bytes_atomic(str(tmp_path / "x"), b"")
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o644


def test_an_unreachable_store_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(Exception):
        """As botocore's: no OSError."""

    def fail(*_: object, **__: object) -> bytes:
        raise Lost("endpoint not reachable")

    monkeypatch.setattr(fsspec.filesystem("memory").__class__, "cat_file", fail)
    with pytest.raises(DataError, match=r"can not read memory://x/y: Lost: endpoint not reachable"):
        files.read_bytes("memory://x/y")


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(DataError, match=r"can not read nosuch://x"):
        files.read_bytes("nosuch://x")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("/a/", "./b/c.gz"), "/a/b/c.gz"),
        (("s3://bucket/x/", "y"), "s3://bucket/x/y"),
        (("a",), "a"),
        (("/", "b"), "/b"),
        ((".", "b"), "./b"),
    ],
)
def test_parts_join(parts: tuple[str, ...], expected: str) -> None:
    assert files.join(*parts) == expected


def test_names_and_folders() -> None:
    assert files.name_of("s3://b/c/d.gz") == "d.gz"
    assert files.parent_of("s3://b/c/d.gz") == "s3://b/c"
    assert files.parent_of("d.gz") == "."
    assert files.parent_of("/d.gz") == "/"
