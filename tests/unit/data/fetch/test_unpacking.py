"""Unpacking data sets that lie some folders deep: whole or not at all, resumable, nothing that leads out."""

import errno
import gzip
import io
import tarfile
import zipfile
from pathlib import Path
from typing import IO, Any

import pytest

from app.data.fetch import archive as archives
from app.data.fetch import unpacking
from app.data.fetch.unpacking import extract_data_set, find_root
from app.errors import DataError

FILES = {"around/set/labels/train.txt": b"a 1\n", "around/set/images/a.tif": b"one" * 999, "around/readme": b"hello"}
WANTED = ("images", "labels/train.txt")


def make_archive(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as made:
            for name, content in files.items():
                made.writestr(zipfile.ZipInfo(name, (2003, 2, 1, 4, 5, 6)), content)
        return path
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1_500_000_000
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.zip"])
def test_the_folder_that_holds_what_is_wanted(tmp_path: Path, name: str) -> None:
    archive = make_archive(tmp_path / name, {**FILES, "around/._set": b"fork"})
    target = tmp_path / "out" / "mine"
    assert extract_data_set(archive, target, WANTED) == target
    found = {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()}
    assert found == {"labels/train.txt": b"a 1\n", "images/a.tif": b"one" * 999}
    assert [p.name for p in target.parent.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["set.tar.gz", "set.zip"])
def test_interrupted_writes_what_is_missing(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    archive, target = make_archive(tmp_path / name, FILES), tmp_path / "mine"
    original, written = unpacking.write_file, []

    def stop_at_image(content: IO[bytes], path: Path, *rest: Any, **more: Any) -> None:
        if path.name == "a.tif":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"two" * 999)  # as long as the true one, but it was never finished
            raise KeyboardInterrupt
        original(content, path, *rest, **more)

    def note(content: IO[bytes], path: Path, *rest: Any, **more: Any) -> None:
        written.append(path.name)
        original(content, path, *rest, **more)

    monkeypatch.setattr(unpacking, "write_file", stop_at_image)
    with pytest.raises(KeyboardInterrupt):
        extract_data_set(archive, target, WANTED)
    assert not target.exists()
    monkeypatch.setattr(unpacking, "write_file", note)
    extract_data_set(archive, target, WANTED)
    assert written == ["a.tif", "readme"]
    assert (target / "images" / "a.tif").read_bytes() == b"one" * 999


@pytest.mark.parametrize("suffix", ["tar", "zip"])
@pytest.mark.parametrize("name", ["around/../../escaped", "/escaped"])
def test_names_outside_are_refused(tmp_path: Path, suffix: str, name: str) -> None:
    archive = make_archive(tmp_path / f"set.{suffix}", {name: b"x"})
    with pytest.raises(DataError, match="points outside the folder"):
        extract_data_set(archive, tmp_path / "out" / "mine", WANTED)
    assert not [p for p in tmp_path.rglob("*") if p.name == "escaped"]


def test_links_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as made:
        link = zipfile.ZipInfo("set/link")
        link.external_attr = 0o120777 << 16
        made.writestr(link, "/etc/passwd")
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        member = tarfile.TarInfo("set/link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(member)
    for name in ("set.zip", "set.tar"):
        with pytest.raises(DataError, match="set/link is neither a file nor a folder"):
            extract_data_set(tmp_path / name, tmp_path / "mine", WANTED)


def test_another_archive_and_a_damaged_one(tmp_path: Path) -> None:
    other = make_archive(tmp_path / "other.tar", {"photos/cat.jpg": b"cat"})
    with pytest.raises(DataError, match=r"no folder with images, labels/train.txt \(it holds photos"):
        extract_data_set(other, tmp_path / "mine", WANTED)
    assert [p.name for p in tmp_path.iterdir()] == ["other.tar"]
    whole = make_archive(tmp_path / "set.tar.gz", {**FILES, "around/set/images/b.tif": bytes(range(256)) * 4000})
    whole.write_bytes(whole.read_bytes()[:-300])
    with pytest.raises(DataError, match="is damaged"):
        extract_data_set(whole, tmp_path / "mine", WANTED)
    assert not (tmp_path / "mine").exists()


def test_root_is_found_a_few_folders_deep(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "ADVE").mkdir(parents=True)
    (tmp_path / "a" / "b" / "Email").mkdir()
    (tmp_path / "z" / "ADVE").mkdir(parents=True)
    assert find_root(tmp_path, ("ADVE", "Email")) == tmp_path / "a" / "b"
    assert find_root(tmp_path, ("ADVE", "News")) is None


def test_what_can_not_be_written_or_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clash = make_archive(tmp_path / "clash.tar", {"set/a": b"file", "set/a/b": b"below it"})
    with pytest.raises(DataError, match=r"clash.tar: cannot unpack .*set/a"):
        extract_data_set(clash, tmp_path / "clash", WANTED)
    secret = make_archive(tmp_path / "secret.zip", FILES)

    def encrypted(*_: object) -> None:
        raise RuntimeError("File 'a.tif' is encrypted, password required for extraction")

    monkeypatch.setattr(zipfile.ZipFile, "open", encrypted)
    with pytest.raises(DataError, match=r"cannot be read: .*encrypted.*; unpack it by hand"):
        extract_data_set(secret, tmp_path / "secret", WANTED)


def test_what_is_unpacked_already_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive(tmp_path / "set.tar", FILES)
    asked: list[int] = []
    monkeypatch.setattr(unpacking, "require_space", lambda _, num_bytes, __: asked.append(num_bytes))
    staged = tmp_path / ".mine.extracting" / "around" / "set" / "images" / "a.tif"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(b"one" * 999)
    extract_data_set(archive, tmp_path / "mine", WANTED)
    assert asked == [archive.stat().st_size - 2997]


@pytest.mark.parametrize("name", ["set.tar.gz", "set.zip"])
def test_what_is_made_to_fill_disks_is_refused_and_leaves_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED_BYTES", 1000)
    files = {**FILES, **{f"around/set/{n}": bytes(2**20) for n in range(4)}}
    archive = make_archive(tmp_path / "plain.tar", files)
    if name.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as made:
            for path, content in files.items():
                made.writestr(path, content)
    else:
        (tmp_path / name).write_bytes(gzip.compress(archive.read_bytes()))
    target = tmp_path / "out" / "mine"
    with pytest.raises(DataError, match="expected at most 100 times its size"):
        extract_data_set(tmp_path / name, target, WANTED)
    assert list(target.parent.iterdir()) == []
    assert extract_data_set(archive, target, WANTED) == target, "as large as what is in it"


def test_half_a_file_does_not_stay_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(_: object, file: io.BufferedWriter, __: int) -> None:
        file.write(b"half")
        file.flush()
        raise OSError(errno.ENOSPC, "No space left on device", file.name)

    archive = make_archive(tmp_path / "set.tar", FILES)
    monkeypatch.setattr(unpacking.shutil, "copyfileobj", fill)
    with pytest.raises(DataError, match="No space left on device"):
        extract_data_set(archive, tmp_path / "mine", WANTED)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path != archive]
