"""The prepare job in this process: what it counts."""

from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from app.command_line import run
from app.workloads.registry import subcommands


def test_progress_counts_files_and_ends_at_their_number(
    open_job: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A TIFF of three pages is three rows and one file, also where one of them is bad."""
    for number in range(8):
        folder = tmp_path / "source" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pages = [Image.new("L", (40, 60), 30 * number + i) for i in range(3)]
        pages[0].save(folder / f"f{number}.tif", save_all=True, append_images=pages[1:])
    (tmp_path / "source" / "a" / "f0.tif").write_bytes(b"II*\0nothing")
    counted: list[tuple[int, int]] = []

    @contextmanager
    def progress(_: str, total: int):  # type: ignore[no-untyped-def]
        yield lambda number, _: counted.append((number, total))

    monkeypatch.setattr("app.workloads.documents.commands.prepare.progress", progress)
    job = open_job("prepare")
    flags = ["documents", "--source", str(tmp_path / "source"), "--store", str(tmp_path / "store")]
    run(partial(subcommands, "prepare"), job.main, [*flags, "--launcher", "local", "--image-size", "32"], job.__doc__)
    assert {total for _, total in counted} == {8}
    assert sum(number for number, _ in counted) == 8
