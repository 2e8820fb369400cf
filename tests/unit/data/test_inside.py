import os
from pathlib import Path

import pytest

from app.data.inside import link_reason, listed_path, outside_reason, place_inside
from app.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A data set beside a file that is none of its own; `link` leads there, `folder` out, `short` to its own a/b."""
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "a" / "b").touch()
    (tmp_path / "secret").touch()
    os.symlink("../secret", tmp_path / "set" / "link")
    os.symlink("..", tmp_path / "set" / "folder")
    os.symlink("a/b", tmp_path / "set" / "short")
    return str(tmp_path / "set")


@pytest.mark.parametrize("name", ["a/b", "./a/b", "a//b", "a/../a/b", "short", "not/there", "..name", "a/b/.."])
def test_what_lies_inside_is_taken(root: str, name: str) -> None:
    assert outside_reason(root, name) is None
    assert listed_path(root, name, "list.txt").startswith(root)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/passwd", "is an absolute path"),
        ("s3://bucket/x", "is an absolute path"),
        ("../secret", "leads out of"),
        ("a/../../secret", "leads out of"),
        ("../set/a/b", "leads out of"),
        ("link", "is a link to .*/secret"),
        ("folder/secret", "is a link to .*/secret"),
        ("a/../link", "is a link to .*/secret"),
    ],
)
def test_what_leads_out_is_refused_and_can_be_allowed(root: str, name: str, reason: str) -> None:
    with pytest.raises(DataError, match=f"list.txt names {name}, which {reason}.*--allow-outside"):
        listed_path(root, name, "list.txt")
    allowed = listed_path(root, name, "list.txt", allow_outside=True)
    assert allowed == (name if name[0] == "/" or "://" in name else f"{root}/{name}")


def test_a_data_set_that_is_reached_by_a_link_is_inside_itself(root: str, tmp_path: Path) -> None:
    os.symlink(root, tmp_path / "alias")
    assert outside_reason(str(tmp_path / "alias"), "a/b") is None
    assert link_reason(str(tmp_path / "alias"), str(tmp_path / "alias" / "a" / "b")) is None


def test_a_neighbour_whose_name_begins_alike_is_outside(root: str, tmp_path: Path) -> None:
    (tmp_path / "set2").mkdir()
    (tmp_path / "set2" / "x").touch()
    os.symlink("../set2/x", tmp_path / "set" / "near")
    assert str(outside_reason(root, "near")).startswith("is a link to")


def test_of_a_url_the_name_alone_is_judged() -> None:
    assert outside_reason("memory://set", "a/b") is None
    assert str(outside_reason("memory://set", "../b")).startswith("leads out of")
    assert link_reason("memory://set", "memory://set/a") is None


def test_where_a_file_really_lies(root: str) -> None:
    os.symlink("a", Path(root) / "again")
    assert place_inside(root, f"{root}/a/b") == "a/b"
    assert place_inside(root, f"{root}/short") == "a/b"
    assert place_inside(root, f"{root}/again/b") == "a/b"
    assert place_inside(root, f"{root}/link") is None
    assert place_inside("s3://bucket", "s3://bucket/a") is None
