"""Text files decoded by what they are: a byte order mark, a declared encoding, UTF-8, or what the bytes look like."""

import codecs
import re
from dataclasses import dataclass

from app.errors import UsageError

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
WESTERN = "cp1252"
MAX_WESTERN_SHARE = 0.25
"""Largest share of letters beyond ASCII in text taken for Windows-1252; assumed: German and French have below 0.1, text
of another alphabet nearly 1."""
MAX_CONTROL_SHARE = 0.01
"""Largest share of control characters in what is still text; assumed."""

_CONTROLS = re.compile(r"[\x01-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True)
class Decoded:
    text: str
    encoding: str
    num_nuls: int
    """NUL characters that were left out."""


def decode_text(content: bytes, declared: str | None = None) -> Decoded:
    """The text of a file. A byte order mark counts before what is declared; lines end in a line feed.

    Raises:
        UsageError: it is not text of a known encoding; says what was seen and how to go on.
    """
    mark, marked = next(((m, e) for m, e in MARKS if content.startswith(m)), (b"", None))
    encoding = marked or declared or _guess(content)
    try:
        text = content[len(mark) :].decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise UsageError(
            f"it is not text in {encoding}: {error}; say which encoding it has, or save it as UTF-8"
        ) from error
    cleaned = text.replace("\0", "")
    if len(_CONTROLS.findall(cleaned)) > MAX_CONTROL_SHARE * len(cleaned):
        raise UsageError(f"it is not text but binary: it begins with {content[:12]!r}")
    return Decoded(re.sub(r"\r\n?", "\n", cleaned), encoding, len(text) - len(cleaned))


def is_encoding(name: str) -> bool:
    """Whether Python knows an encoding of text of this name."""
    try:
        return isinstance(b"a".decode(name), str)
    except (LookupError, UnicodeDecodeError):
        return False


def _guess(content: bytes) -> str:
    """The encoding of text without a byte order mark."""
    if b"\0" in content:
        for encoding, high in (("utf-16-le", content[1::2]), ("utf-16-be", content[::2])):
            if len(content) % 2 == 0 and high.count(0) > 0.4 * len(high):
                return encoding
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        try:
            text = content.decode(WESTERN)
        except UnicodeDecodeError:
            text = ""
        letters = [c for c in text if c.isalpha()]
        if letters and sum(c > "\x7f" for c in letters) <= MAX_WESTERN_SHARE * len(letters):
            return WESTERN
        raise UsageError(
            f"it is not text in UTF-8 (byte {error.start} is {content[error.start]:#04x}), UTF-16 or Windows-1252; say "
            "which encoding it has, or save it as UTF-8"
        ) from error
    return "utf-8"
