import pytest

from app.data.tables import csv_rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_as_spreadsheets_write_it(encoding: str, separator: str) -> None:
    text = f" case {separator}patient\r\n\r\nb1{separator} Müller \r\n{separator}\r\n"
    assert list(csv_rows(text.encode(encoding))) == [(1, ["case", "patient"]), (3, ["b1", " Müller "])]


def test_what_is_no_table_is_told() -> None:
    with pytest.raises(ValueError, match="line 2 is of no table: field larger than"):
        list(csv_rows(b"case,split\n" + b"a" * 200_000 + b",train\n"))
    with pytest.raises(ValueError, match="not text but binary"):
        list(csv_rows(bytes(range(1, 30)) * 10))
