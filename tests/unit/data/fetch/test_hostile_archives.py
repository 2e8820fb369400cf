"""Archives whose headers no packer writes: taken where the data are, else one line; nothing stays of those refused."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.data.fetch.archive import extract_tar
from app.data.fetch.unpacking import extract_data_set
from app.errors import DataError

Extract = Callable[[Path, Path], Path]
BY_EACH = pytest.mark.parametrize(
    "extract",
    [
        lambda archive, folder: extract_tar(archive, folder, "set", "dataset.json"),
        lambda archive, folder: extract_data_set(archive, folder / "set", ("dataset.json",)),
    ],
    ids=["known", "any"],
)


def make_tar(path: Path, *members: tuple[str, dict[str, str]]) -> Path:
    """With these names and headers, behind an ordinary file."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, headers in (("set/dataset.json", {}), *members):
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = 2, headers
            tar.addfile(member, io.BytesIO(b"{}"))
    return path


@BY_EACH
@pytest.mark.parametrize("time", ["nan", "inf", "-inf", "1e30", "-1e30", "1e400", "9" * 5000, "noon"])
def test_times_that_no_file_has_are_none(tmp_path: Path, extract: Extract, time: str) -> None:
    archive = make_tar(tmp_path / "a.tar", ("set/a", {"mtime": time}))
    assert (extract(archive, tmp_path) / "a").read_bytes() == b"{}"
    assert (tmp_path / "set/a").stat().st_mtime == 0


@BY_EACH
@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"path": "set/a\0b"}, r"got the name 'set/a\\x00b', expected one without NUL"),
        ({"GNU.sparse.size": "5", "GNU.sparse.map": "a,b"}, "is damaged or no archive"),
        ({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "5"}, "is damaged or no archive"),
    ],
    ids=["NUL", "no map", "no parts"],
)
def test_headers_that_make_no_sense_are_one_line_and_leave_nothing(
    tmp_path: Path, extract: Extract, headers: dict[str, str], message: str
) -> None:
    """What stayed of an archive that was refused would be taken for a part of the next."""
    archive = make_tar(tmp_path / "a.tar", ("set/b", {}), ("set/a", headers))
    with pytest.raises(DataError, match=message):
        extract(archive, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def changed(path: Path, offset: int, value: int) -> Path:
    """A zip with one byte of its central directory changed."""
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("set/dataset.json", "{}")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + offset] = value
    path.write_bytes(content)
    return path


def test_a_zip_of_a_version_that_is_none_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.zip is damaged or no archive \(zip file version 25\.5\)"):
        extract_data_set(changed(tmp_path / "a.zip", 6, 255), tmp_path / "set", ("dataset.json",))


def test_a_zip_of_a_date_that_is_none_is_taken(tmp_path: Path) -> None:
    made = extract_data_set(changed(tmp_path / "a.zip", 14, 0), tmp_path / "set", ("dataset.json",))
    assert (made / "dataset.json").read_bytes() == b"{}"
