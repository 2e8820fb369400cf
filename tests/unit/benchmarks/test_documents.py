from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.common import Setting
from benchmarks.document_data import Pages, draw_texts, make_tiffs
from benchmarks.documents_ocr.run import words_in_common
from benchmarks.documents_prepare import ours, peer
from benchmarks.documents_text.run import _Run


@pytest.fixture
def grey_files(tmp_path: Path) -> list[str]:
    """Pages of 75 x 100 pixels, light above and dark below."""
    paths = []
    for number in range(3):
        pixels = np.full((100, 75), 250, np.uint8)
        pixels[50:] = 10 + number
        paths.append(str(tmp_path / "pages" / f"{number}.tif"))
        Path(paths[-1]).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(paths[-1], compression="tiff_lzw")
    return paths


def test_words_in_common_are_the_share_of_all_different_words() -> None:
    assert words_in_common("to be or", "or not to be be") == 3 / 4
    assert words_in_common("a", "b") == 0
    assert words_in_common("", "") is None


def test_drawn_texts_are_as_long_as_assumed_and_always_the_same() -> None:
    lengths = np.array([len(text.split()) for text in draw_texts(4000)])
    assert 255 < np.median(lengths) < 285
    assert 275 < lengths.clip(max=512).mean() < 305
    assert draw_texts(3) == draw_texts(3)


def test_files_are_made_of_the_grey_pages_in_both_compressions(tmp_path: Path) -> None:
    source = tmp_path / "source" / "images"
    source.mkdir(parents=True)
    pixels = np.full((120, 90), 255, np.uint8)
    pixels[:60] = 0
    Image.fromarray(pixels).save(source / "grey.tif", compression="tiff_lzw")
    Image.fromarray(pixels).convert("1").save(source / "black.tif", compression="group4")
    made = make_tiffs(Setting(True, tmp_path), Pages(tmp_path / "source", tmp_path / "store"))
    seen = {}
    for kind, paths in made.items():
        assert [path.name for path in paths] == ["grey.tif"]
        with Image.open(paths[0]) as image:
            seen[kind] = (image.mode, image.size, image.info["compression"])
            assert np.asarray(image.convert("L"))[[100, 900], 300].tolist() == [0, 255]
    assert seen == {"lzw": ("L", (754, 1000), "tiff_lzw"), "g4": ("1", (754, 1000), "group4")}


def test_both_sides_read_the_same_files(grey_files: list[str], tmp_path: Path) -> None:
    prepared = ours.prepare(grey_files, 48, str(tmp_path / "store"))
    assert prepared["pages_per_s"] > 0
    assert prepared["num_bytes"] == sum(path.stat().st_size for path in (tmp_path / "store" / "images").glob("*.bin"))
    for name in ("bilinear", "bicubic"):
        assert peer.read(grey_files, 48, name)["pages_per_s"] > 0


def test_a_file_that_our_side_can_not_prepare_ends_the_measurement(grey_files: list[str], tmp_path: Path) -> None:
    Path(grey_files[1]).write_bytes(b"broken")
    with pytest.raises(AssertionError):
        ours.prepare(grey_files, 48, str(tmp_path / "store"))


def test_rounds_go_on_where_the_last_one_ended() -> None:
    class Recorded:
        def __init__(self) -> None:
            self.steps: list[int] = []

        def call(self, command: str, steps: list[int]) -> dict[str, Any]:
            self.steps += steps
            return {"tokens_per_s": 5.0, "padding": 0.25}

    side = Recorded()
    run = _Run(side, 3)  # type: ignore[arg-type]
    assert [run.next(), run.next()] == [5.0, 5.0]
    assert side.steps == [0, 1, 2, 3, 4, 5]
    assert run.padding == [0.25, 0.25]
