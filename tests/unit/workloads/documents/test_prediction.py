"""What models say of pages: combined as the ensemble does, written as a table."""

from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from app.workloads.documents.prediction import PagePrediction, combine
from app.workloads.documents.prediction_table import PredictionTable


def write_table(path: str, rows: list[PagePrediction], with_mark: bool = False) -> None:
    table = PredictionTable(path, with_mark)
    table.add(rows)
    table.write()


IMAGE = {"memo": 0.9, "letter": 0.1}
TEXT = {"memo": 0.2, "letter": 0.8}


def test_both_is_the_average_and_decides() -> None:
    shares = combine(IMAGE, TEXT)
    assert list(shares) == ["image", "text", "both"]
    assert shares["both"] == pytest.approx({"memo": 0.55, "letter": 0.45})
    assert PagePrediction("a", "a.png", 0, shares).predicted == "memo"
    assert (
        list(combine(None, TEXT)) == ["text"] and PagePrediction("a", "a", 0, combine(None, TEXT)).predicted == "letter"
    )


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_a_table_holds_every_probability(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_table(str(path), [PagePrediction("a", "/x/a.pdf", 1, combine(IMAGE, TEXT), 'said "so",\nand more')])
    table = (
        pyarrow.parquet.read_table(path)
        if name.endswith("parquet")
        else pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True))
    )
    (row,) = table.to_pylist()
    assert (row["id"], row["page"], row["class"]) == ("a", 2, "memo")
    assert row["probability"] == pytest.approx(0.55) and row["text_letter"] == pytest.approx(0.8)
    assert row["text"] == 'said "so",\nand more'


def test_a_page_without_text_has_fewer_columns_and_hides_nobodys(tmp_path: Path) -> None:
    path = str(tmp_path / "p.parquet")
    failed = PagePrediction("a", "a.png", 0, combine(IMAGE, None), "", "timeout")
    write_table(path, [failed, PagePrediction("b", "b.png", 0, combine(IMAGE, TEXT), "words", "ok")])
    first, second = pyarrow.parquet.read_table(path).to_pylist()
    assert (first["class"], first["probability"], first["ocr"]) == ("memo", 0.9, "timeout")
    assert first["text_memo"] is None and first["both_memo"] is None
    assert (second["text_memo"], second["both_memo"], second["ocr"]) == (0.2, pytest.approx(0.55), "ok")
