"""Tables as people write them: CSV in any encoding of text, separated by comma, semicolon or tab."""

import csv
import io
from collections.abc import Iterator

from app.data.text import decode_text
from app.errors import UsageError


def csv_rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, with the number of its last line; names of columns without the spaces around them.

    Raises:
        UsageError: it is not text, or no table; says what was seen.
    """
    text = decode_text(content).text
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    is_header = True
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, [cell.strip() for cell in row] if is_header else row
                is_header = False
    except csv.Error as error:
        raise UsageError(f"line {reader.line_num} is of no table: {error}") from error
