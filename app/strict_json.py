"""JSON that is read strictly: what comes out is whole, not nested too deep, and has numbers and texts one can use."""

import json
import math
from collections.abc import Callable
from typing import Any, TypeVar

from app.errors import DataError, UsageError

T = TypeVar("T")

MAX_DEPTH = 64
"""Levels of lists and mappings; assumed: the project's own files have at most 12."""
MAX_WHOLE_NUMBER = 2**63 - 1
NUM_SHOWN = 60
"""Characters of a wrong value in a message."""


class DamagedFileError(DataError):
    """A file does not hold what it should."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(file, reason)
        self.file, self.reason = file, reason

    def __str__(self) -> str:
        return f"{self.file} is damaged: {self.reason}"


def parse(content: bytes, where: str, any_number: bool = False) -> Any:
    """The value of a JSON file.

    Args:
        where: the file's name, for the message.
        any_number: floats may also be NaN and infinite, as scores are.

    Raises:
        DamagedFileError: empty, cut, not text, nested deeper than MAX_DEPTH, or with numbers or texts beyond use.
    """
    if not content.strip():
        raise DamagedFileError(where, "it is empty, expected JSON")
    try:
        value = json.loads(content.decode(json.detect_encoding(content)))
    except UnicodeDecodeError as error:
        raise DamagedFileError(where, f"byte {error.start} is not {error.encoding} text, expected JSON") from error
    except RecursionError as error:
        raise DamagedFileError(where, f"nested too deep, expected at most {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise DamagedFileError(where, f"not JSON: {error}") from error
    if (found := fault(value, any_number)) is not None:
        raise DamagedFileError(where, found)
    return value


def parse_as(make: Callable[[Any], T], content: bytes, where: str, any_number: bool = False) -> T:
    """What `make`, which raises UsageError on a wrong value, builds from a JSON file. Raises DamagedFileError."""
    value = parse(content, where, any_number)
    try:
        return make(value)
    except ValueError as error:
        raise DamagedFileError(where, str(error)) from error


def parse_mapping(content: bytes, where: str, any_number: bool = False) -> dict[str, Any]:
    """The JSON object of a file. Raises DamagedFileError."""
    return parse_as(mapping, content, where, any_number)


def mapping(value: Any) -> dict[str, Any]:
    """Raises UsageError unless the value is a mapping."""
    if not isinstance(value, dict):
        raise UsageError(f"got {shown(value)}, expected names with values")
    return value


def whole_number(text: str) -> int | None:
    """What digits from 0 to 9 alone write; None: the text is something else, or beyond MAX_WHOLE_NUMBER."""
    if not (text.isascii() and text.isdecimal()) or len(text.lstrip("0")) > len(str(MAX_WHOLE_NUMBER)):
        return None
    # int("0" * 5000) is refused by Python, which counts the zeros too
    number = int(text.lstrip("0") or "0")
    return number if number <= MAX_WHOLE_NUMBER else None


def shown(value: Any) -> str:
    """The beginning of a value, for a message."""
    text = repr(value)
    return text if len(text) <= NUM_SHOWN else f"{text[:NUM_SHOWN]}…"


def fault(value: Any, any_number: bool = False) -> str | None:
    """What is wrong with a value or what it holds; not recursive, as depth is what is checked."""
    level, depth = [value], 0
    while level:
        if depth > MAX_DEPTH:
            return f"nested too deep, expected at most {MAX_DEPTH} levels"
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += [*one, *one.values()]
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str):
                if not one.isascii() and any("\ud800" <= letter <= "\udfff" for letter in one):
                    return f"got {shown(one)}, half a character, expected text"
            elif isinstance(one, float):
                if not any_number and not math.isfinite(one):
                    return f"got {one}, expected a finite number"
            elif isinstance(one, int) and abs(one) > MAX_WHOLE_NUMBER:
                return f"got a number of {one.bit_length()} bits, expected at most 63"
        level, depth = below, depth + 1
    return None
