"""Unpacking: whole or not at all, resumable, and nothing that points outside the folder."""

import io
import tarfile
from pathlib import Path
from typing import IO, Any

import pytest

from app.data.fetch import archive as module
from app.data.fetch.archive import extract_tar
from app.errors import DataError

FILES = {"set/dataset.json": b"{}", "set/imagesTr/1.nii.gz": b"one" * 1000, "set/imagesTr/2.nii.gz": b"two" * 999}


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w", links: tuple[tuple[str, str], ...] = ()) -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1_500_000_000
            tar.addfile(member, io.BytesIO(content))
        for name, linked in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, linked
            tar.addfile(member)
    return path


def unpacked(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_files_and_nothing_else(tmp_path: Path, mode: str) -> None:
    with_forks = {"._set": b"fork", **FILES, "set/imagesTr/._1.nii.gz": b"fork"}
    tar = make_tar(tmp_path / "set.tar", with_forks, mode)
    out = tmp_path / "out"
    assert extract_tar(tar, out, "set", "dataset.json") == out / "set"
    assert unpacked(out) == FILES
    assert [p.name for p in out.iterdir()] == ["set"]


def test_interrupted_goes_on_with_the_file_it_was_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar = make_tar(tmp_path / "set.tar", FILES)
    out = tmp_path / "out"
    written: list[str] = []
    original = module.write_file

    def stop_at_second(content: IO[bytes], path: Path, *rest: Any, **more: Any) -> None:
        if path.name == "2.nii.gz":
            path.write_bytes(b"hal" * 999)  # as long as the true one, but it was never finished
            raise KeyboardInterrupt
        original(content, path, *rest, **more)

    def note(content: IO[bytes], path: Path, *rest: Any, **more: Any) -> None:
        written.append(path.name)
        original(content, path, *rest, **more)

    monkeypatch.setattr(module, "write_file", stop_at_second)
    with pytest.raises(KeyboardInterrupt):
        extract_tar(tar, out, "set", "dataset.json")
    assert not (out / "set").exists()
    monkeypatch.setattr(module, "write_file", note)
    extract_tar(tar, out, "set", "dataset.json")
    assert written == ["2.nii.gz"]
    assert unpacked(out) == FILES


@pytest.mark.parametrize("name", ["set/../../escaped", "/escaped", "other/file"])
def test_names_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    tar = make_tar(tmp_path / "set.tar", {**FILES, name: b"x"})
    with pytest.raises(DataError, match="outside the folder"):
        extract_tar(tar, tmp_path / "out", "set", "dataset.json")
    assert [p.name for p in tmp_path.rglob("*")] == ["set.tar"]


def test_links_are_refused(tmp_path: Path) -> None:
    tar = make_tar(tmp_path / "set.tar", FILES, links=(("set/link", "/etc"),))
    with pytest.raises(DataError, match="set/link is neither a file nor a folder"):
        extract_tar(tar, tmp_path / "out", "set", "dataset.json")


@pytest.mark.parametrize(("num_kept", "mode"), [(100, "w"), (4000, "w"), (100, "w:gz")])
def test_damaged_archives_leave_no_folder(tmp_path: Path, num_kept: int, mode: str) -> None:
    tar = make_tar(tmp_path / "set.tar", FILES, mode)
    tar.write_bytes(tar.read_bytes()[:num_kept])
    with pytest.raises(DataError, match=r"set\.tar is damaged"):
        extract_tar(tar, tmp_path / "out", "set", "dataset.json")
    assert not (tmp_path / "out" / "set").exists()


def test_another_archive_is_named(tmp_path: Path) -> None:
    tar = make_tar(tmp_path / "set.tar", {"set/readme": b"hello"})
    with pytest.raises(DataError, match=r"has no set/dataset\.json: it is not the expected archive"):
        extract_tar(tar, tmp_path / "out", "set", "dataset.json")


def test_what_is_made_to_fill_disks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALWAYS_ALLOWED_BYTES", 1000)
    tar = make_tar(tmp_path / "set.tar", {**FILES, "set/zeros": bytes(2**22)}, "w:gz")
    with pytest.raises(DataError, match=r"unpacks to 0\.0 GB or more, expected at most 100 times its size"):
        extract_tar(tar, tmp_path / "out", "set", "dataset.json")
    assert not unpacked(tmp_path / "out")
