"""What models say of pages: combined as the ensemble does, written as a table."""

from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from app.errors import UsageError
from app.workloads.documents.predict.prediction import PagePrediction, check_same_classes, combine
from app.workloads.documents.predict.table import PredictionTable


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


def test_two_models_know_the_same_classes_in_any_order_and_neither_more() -> None:
    check_same_classes(["memo", "note"], ["note", "memo"])
    for image, text in ((["memo"], ["memo", "note"]), (["memo", "note"], ["note"]), (["memo"], ["note"])):
        with pytest.raises(UsageError, match=f"image {', '.join(image)}; text {', '.join(text)}"):
            check_same_classes(image, text)


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


def test_no_cell_runs_in_a_spreadsheet_and_parquet_has_them_as_they_are(tmp_path: Path) -> None:
    texts = ["=1+2", "+9", "-r", "@SUM(A1)", "\tx", "a=1", "'quoted"]
    rows = [PagePrediction(text, f"/x/{text}", 0, combine(IMAGE, TEXT), text) for text in texts]
    write_table(str(tmp_path / "p.csv"), rows)
    read = pyarrow.csv.read_csv(tmp_path / "p.csv").to_pydict()
    assert read["text"] == ["'=1+2", "'+9", "'-r", "'@SUM(A1)", "'\tx", "a=1", "'quoted"] and read["id"] == read["text"]
    assert read["file"] == [f"/x/{text}" for text in texts]
    write_table(str(tmp_path / "p.parquet"), rows)
    assert pyarrow.parquet.read_table(tmp_path / "p.parquet")["text"].to_pylist() == texts


def test_a_mark_for_excel_by_option_and_what_decided(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    both, alone = combine(IMAGE, TEXT), combine(IMAGE, None)
    write_table(str(path), [PagePrediction("a", "ü", 0, both), PagePrediction("b", "b", 0, alone, "", "empty")])
    assert path.read_bytes().startswith(b'"id"')
    write_table(str(path), [PagePrediction("a", "ü", 0, both), PagePrediction("b", "b", 0, alone, "", "empty")], True)
    assert path.read_bytes().startswith(b'\xef\xbb\xbf"id"')
    table = pyarrow.csv.read_csv(path).to_pydict()
    assert (table["by"], table["file"], table["ocr"]) == (["both", "image"], ["ü", "b"], ["", "empty"])


def test_rows_are_on_the_disk_before_the_last_one_comes(tmp_path: Path) -> None:
    """Written at 1000 new rows, then when a tenth of what is there is new: at 1000, 2000; from 10,000 on seldomer."""
    path = tmp_path / "p.csv"
    table = PredictionTable(str(path))
    one = PagePrediction("a", "a", 0, combine(IMAGE, None))
    table.add([one] * 999)
    assert not path.exists()
    table.add([one])
    assert len(path.read_bytes().splitlines()) == 1001
    table.add([one] * 12_000)
    table.add([one] * 1_200)
    assert len(path.read_bytes().splitlines()) == 13_001, "1,200 are less than a tenth of 13,000"
    table.write()
    assert len(path.read_bytes().splitlines()) == 14_201 and len(table) == 14_200


def test_a_name_that_is_no_utf8_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    write_table(str(path), [PagePrediction("r\udce9", "/r\udce9.png", 0, combine(IMAGE, None))])
    assert pyarrow.parquet.read_table(path)["file"].to_pylist() == [r"/r\xe9.png"]
