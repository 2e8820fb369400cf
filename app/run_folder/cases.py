"""The scores of each case of an evaluation: a table with one row a case and one column a score."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass

from app.data import files
from app.printable import harmless_cell, plain_cell
from app.strict_json import DamagedFileError, shown

Scores = Mapping[str, float | None]
"""None: not defined for the case."""


@dataclass(frozen=True)
class CasesFile:
    """The table as a file; its first column is `case`, whose names no spreadsheet runs."""

    name: str

    def path(self, folder: str) -> str:
        return files.join(folder, self.name)

    def exists(self, folder: str) -> bool:
        return files.exists(self.path(folder))

    def text(self, cases: Mapping[str, Scores]) -> str:
        """An empty cell where a score is not defined."""
        names = list(dict.fromkeys(name for scores in cases.values() for name in scores))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["case", *names])
        for case_id, scores in cases.items():
            values = [scores.get(name) for name in names]
            writer.writerow([harmless_cell(case_id), *("" if v is None else f"{v:.6g}" for v in values)])
        return text.getvalue()

    def parse(self, content: bytes, where: str | None = None) -> dict[str, Scores]:
        """By case. Raises DamagedFileError, which names the line."""
        where = where or self.name
        try:
            rows = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
        except (csv.Error, ValueError) as error:
            raise DamagedFileError(where, f"not a table: {error}") from error
        if not rows or rows[0][:1] != ["case"] or len(set(rows[0])) != len(rows[0]):
            first = shown(rows[0]) if rows else "nothing"
            raise DamagedFileError(
                where, f"its first line is {first}, expected `case` and the names of the scores, each once"
            )
        header, found = rows[0], dict[str, Scores]()
        for number, row in enumerate(rows[1:], 2):
            case_id = plain_cell(row[0]) if row else ""
            if len(row) != len(header) or case_id in found:
                fault = "a case that was there before" if row and case_id in found else f"{len(row)} columns"
                raise DamagedFileError(
                    f"{where}, line {number},", f"got {fault}, expected {len(header)} columns of another"
                )
            cells = zip(header[1:], row[1:], strict=True)
            found[case_id] = {name: _number(f"{where}, line {number}, {name},", cell) for name, cell in cells}
        return found

    def read(self, folder: str) -> dict[str, Scores]:
        """Raises DataError: it is missing, or damaged."""
        path = self.path(folder)
        return self.parse(files.read_bytes(path), path)

    def write(self, folder: str, cases: Mapping[str, Scores]) -> None:
        """Raises DataError: the folder cannot be written, or is full."""
        files.write_bytes_atomic(self.path(folder), self.text(cases).encode())


def _number(where: str, cell: str) -> float | None:
    if cell.strip().lower() in ("", "none", "nan"):
        return None
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise DamagedFileError(where, f"got {shown(cell)}, expected a number or nothing")
    return number
