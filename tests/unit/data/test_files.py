import json
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from silent_server import silent_server

from app.data import files
from app.data.regular import check_regular
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


def test_links_in_a_circle_are_not_followed_and_others_are(tmp_path: Path) -> None:
    for folder in ("set/a", "set/b", "beside"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x").touch()
    for link, target in {"set/loop": ".", "set/a/to_b": "../b", "set/b/to_a": "../a", "set/out": "../beside"}.items():
        (tmp_path / link).symlink_to(target)
    (tmp_path / "set" / "gone").symlink_to("nowhere")
    root = str(tmp_path / "set")
    listed = [path[len(root) + 1 :] for path in files.list_files(root)]
    assert listed == ["a/to_b/x", "a/x", "b/to_a/x", "b/x", "gone", "out/x"]


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


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_who_may_read_a_written_file_is_as_the_user_s_umask_has_it(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        files.write_bytes_atomic(str(tmp_path / "x"), b"")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == mode


def test_an_unreachable_store_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(Exception):
        """As botocore's: no OSError."""

    def fail(*_: object, **__: object) -> bytes:
        raise Lost("endpoint not reachable")

    monkeypatch.setattr(fsspec.filesystem("memory").__class__, "cat_file", fail)
    with pytest.raises(DataError, match=r"cannot read memory://x/y: Lost: endpoint not reachable"):
        files.read_bytes("memory://x/y")


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(DataError, match=r"cannot read nosuch://x"):
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


def test_a_new_file_is_written_once(root: str) -> None:
    path = files.join(root, "a/b.txt")
    assert files.write_new(path, b"first") is True
    assert files.write_new(path, b"second") is False
    assert files.read_bytes(path) == b"first"
    assert [files.name_of(found) for found in files.list_files(root)] == ["b.txt"]


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_leaves_nothing_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not links:  # as file systems without hard links
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "x"
    assert [files.write_new(str(path), content) for content in (b"1", b"2")] == [True, False]
    assert path.read_bytes() == b"1" and path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_of_those_that_write_a_new_file_at_once_one_is_told_so(tmp_path: Path) -> None:
    for number in range(20):
        path, barrier = str(tmp_path / str(number)), threading.Barrier(4)

        def write(content: bytes, path: str = path, barrier: threading.Barrier = barrier) -> bool:
            barrier.wait(10)
            return files.write_new(path, content)

        contents = [bytes([n]) * 100_000 for n in range(4)]
        with ThreadPoolExecutor(4) as pool:
            written = list(pool.map(write, contents))
        assert sum(written) == 1 and files.read_bytes(path) == contents[written.index(True)]


def test_an_object_store_that_sees_the_other_writer_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory").__class__
    path = f"memory://{tmp_path.name}/x"
    files.write_bytes_atomic(path, b"first")
    exists, looked = memory.exists, [False]  # not there when we look, but when it is created
    monkeypatch.setattr(memory, "exists", lambda self, key: looked.pop() if looked else exists(self, key))
    assert files.write_new(path, b"second") is False and files.read_bytes(path) == b"first"


def test_an_object_store_that_knows_no_creation_is_written_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    memory = fsspec.filesystem("memory").__class__
    pipe_file, path = memory.pipe_file, f"memory://{tmp_path.name}/x"
    monkeypatch.setattr(memory, "pipe_file", lambda self, key, value: pipe_file(self, key, value))
    assert [files.write_new(path, content) for content in (b"1", b"2")] == [True, False]
    assert files.read_bytes(path) == b"1"


@pytest.fixture
def irregular(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Paths that end in no file, by what they are."""
    os.mkfifo(tmp_path / "pipe")
    os.symlink(tmp_path / "pipe", tmp_path / "link")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))
        yield {
            "pipe": str(tmp_path / "pipe"),
            "link to a pipe": str(tmp_path / "link"),
            "socket": str(tmp_path / "socket"),
            "device": "/dev/zero",
        }


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "socket", "device"])
def test_what_is_no_file_is_refused_and_not_waited_for(irregular: dict[str, str], kind: str) -> None:
    path, name = irregular[kind], kind.removeprefix("link to a ")
    for read in (files.read_bytes, files.read_json, lambda path: files.read_ranges([(path, 0, 1)])):
        with pytest.raises(DataError, match=f"^cannot read {path}: it is a .*{name}; expected a regular file"):
            read(path)


def test_files_folders_and_what_is_not_there_are_left_to_whoever_opens_them(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for path in (tmp_path, tmp_path / "file", tmp_path / "none", Path("a\0b")):
        assert check_regular(str(path)) == str(path)


def test_a_web_server_that_says_nothing_is_told_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers waited for it forever."""
    monkeypatch.setattr("app.data.remote.SILENT_S", 0.3)
    with (
        silent_server() as port,
        pytest.raises(DataError, match=r"cannot read http://.*said nothing for 60 s"),
    ):
        files.read_bytes(f"http://127.0.0.1:{port}/store/manifest.parquet")


def test_a_file_larger_than_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """An honest header, and nothing behind it: a sparse file costs whoever makes it nothing."""
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match=r"cannot read .*huge\.json: it has 1,099,511,627,776 bytes, this machine"):
        files.read_bytes(str(tmp_path / "huge.json"))
