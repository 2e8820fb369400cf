"""Text from files, names and flags as a terminal, a log or a record may show it: no line of its own, no control codes,
no password."""

import re
from collections.abc import Mapping
from typing import Any

_USER_AND_PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s/]*@")
_TOKEN = re.compile(r"(https?://)[^\s/:@]*@")  # a user's name alone elsewhere, as in sftp://user@host
HIDDEN = "***"

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet takes a cell for a formula and runs it."""
HARMLESS = "'"
"""Before such a cell: a spreadsheet shows it as text."""


def redacted(value: Any) -> Any:
    """Text with the passwords of all URLs in it hidden (`http://user:***@host/a`), and the token that stands before a
    web server's name alone; also in every value of a mapping and in a list or tuple. What else there is stays."""
    if isinstance(value, str):
        if "://" not in value:
            return value
        return _TOKEN.sub(rf"\1{HIDDEN}@", _USER_AND_PASSWORD.sub(rf"\1{HIDDEN}@", value))
    if isinstance(value, Mapping):
        return {key: redacted(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(one) for one in value]
    return value


def printable(text: str, encoding: str | None = None) -> str:
    """The text with whatever does not print, or not in this encoding, as a backslash escape: line ends, terminal codes,
    marks that turn the direction of writing, half surrogate pairs; passwords are hidden."""
    text = redacted(text)
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return text.encode(encoding, "backslashreplace").decode(encoding) if encoding else text


def harmless_cell(cell: str) -> str:
    """The cell as it stands in a CSV file that somebody may open in a spreadsheet; `plain_cell` undoes it."""
    return HARMLESS + cell if cell.lstrip(HARMLESS).startswith(FORMULA_STARTS) else cell


def plain_cell(cell: str) -> str:
    """What was given to `harmless_cell`."""
    return cell[1:] if cell.startswith(HARMLESS) and cell.lstrip(HARMLESS).startswith(FORMULA_STARTS) else cell
