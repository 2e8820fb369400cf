"""What models say of pages as a table, written while they say it."""

import io
from collections.abc import Sequence
from typing import Any

from app.data import files
from app.data.names import as_text
from app.printable import harmless_cell, redacted
from app.workloads.documents.predict.prediction import PagePrediction

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MIN_NEW_ROWS = 1000
MIN_NEW_SHARE = 0.1
"""The file is written again when so many rows are new, and this share of it: never more than eleven times in all."""


class PredictionTable:
    """Rows as CSV, or Parquet where the name ends so: id, file, page, class, probability, by (what decided it: image,
    text or both), SOURCE_CLASS columns, ocr (what became of it), text. Parquet has every cell as it is; in CSV one that
    a spreadsheet would run begins with a `'`.
    """

    def __init__(self, path: str, with_mark: bool = False) -> None:
        """`with_mark`: CSV begins with a byte order mark, by which Excel knows UTF-8."""
        self.path = path
        self._with_mark = with_mark
        self._rows: list[PagePrediction] = []
        self._num_written = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rows: Sequence[PagePrediction]) -> None:
        """Raises DataError when the place cannot be written."""
        self._rows += rows
        if len(self._rows) - self._num_written >= max(MIN_NEW_ROWS, MIN_NEW_SHARE * self._num_written):
            self.write()

    def write(self) -> None:
        """All rows so far, atomically. Raises DataError when the place cannot be written."""
        if len(self._rows) > self._num_written:
            files.write_bytes_atomic(self.path, _encoded(self._rows, self.path, self._with_mark))
            self._num_written = len(self._rows)


def _encoded(predictions: Sequence[PagePrediction], path: str, with_mark: bool) -> bytes:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    rows: list[dict[str, Any]] = [
        {
            "id": one.id,
            "file": redacted(one.path),
            "page": one.page + 1,
            "class": one.predicted,
            "probability": one.final[one.predicted],
            "by": one.decided_by,
            **{f"{source}_{name}": share for source, shares in one.shares.items() for name, share in shares.items()},
            "ocr": one.ocr,
            "text": one.text,
        }
        for one in predictions
    ]
    fullest = max(rows, key=len)  # a page without a text has fewer columns
    is_csv = not path.endswith(".parquet")
    table = pa.Table.from_pylist([{name: _cell(row.get(name), is_csv) for name in fullest} for row in rows])
    buffer = io.BytesIO()
    if is_csv:
        buffer.write(BYTE_ORDER_MARK if with_mark else b"")
        pyarrow.csv.write_csv(table, buffer)
    else:
        pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def _cell(value: Any, is_csv: bool) -> Any:
    if not isinstance(value, str):
        return value
    text = as_text(value)
    return harmless_cell(text) if is_csv else text
