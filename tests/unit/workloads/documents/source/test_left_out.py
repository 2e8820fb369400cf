"""What of a source is not read is told: nothing is left out without a word."""

from pathlib import Path

from app.workloads.documents.source.layouts import LISTED, detect_layout


def touch(root: Path, *names: str) -> str:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return str(root)


def test_files_of_endings_beyond_the_ten_that_are_named_are_counted(tmp_path: Path) -> None:
    root = touch(tmp_path, "a/1.png", "b/2.png", *(f"{n}.e{n:02d}" for n in range(11)), "x.e05", "x.e07")
    (line,) = detect_layout(root).notes
    assert line.startswith("left out: 2 .e05, 2 .e07, 1 .e00, ") and line.endswith(", 1 of others")
    counts = [int(part.split()[0]) for part in line.removeprefix("left out: ").split(", ")]
    assert sum(counts) == 13


def test_a_side_file_without_classes_is_counted(tmp_path: Path) -> None:
    root = touch(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "metadata.csv").write_text("file_name,width\na/1.png,8\n")
    found = detect_layout(root)
    assert (found.layout, found.notes) == ("folders", ("left out: 1 .csv",))


def test_rvl_cdip_says_that_its_lists_decide(tmp_path: Path) -> None:
    root = touch(tmp_path, "images/a/1.tif", "images/a/2.tif", "images/a/3.tif")
    (tmp_path / "labels").mkdir()
    for name, line in (("train", "a/1.tif 3\n"), ("val", "a/2.tif 4\n"), ("test", "")):
        (tmp_path / "labels" / f"{name}.txt").write_text(line)
    found = detect_layout(root)
    assert ([page.id for page in found.pages], found.notes) == (["a/1", "a/2"], (LISTED,))


def test_what_is_no_page_and_no_text_or_a_link_out_is_counted(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "a/1.png", "b/2.png", "a/\udce9.pdf")
    (tmp_path / "secret.pdf").touch()
    (tmp_path / "set" / "b" / "x.pdf").symlink_to(tmp_path / "secret.pdf")
    found = detect_layout(root)
    assert (found.bad, found.notes) == ((), ("left out, by name or as links out of the source: 2 .pdf",))
