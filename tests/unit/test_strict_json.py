"""What is read as JSON is whole and usable, or one line that names the file; a checksum tells of a single bit."""

import json

import pytest

from app import checksum
from app.errors import DataError
from app.records import Span
from app.run_folder.run import EXPORT, METRICS, SPANS
from app.strict_json import DamagedFileError, parse, whole_number


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"a": 1',
        b"\xff\xfe\xfd",
        b"[" * 100_000,
        b"[" * 70 + b"]" * 70,
        b"1e400",
        b"NaN",
        b"9" * 20,
        b'"\\ud800"',
    ],
)
def test_what_cannot_be_used_is_one_line_with_the_file(content: bytes) -> None:
    with pytest.raises(DamagedFileError, match=r"^a/b\.json is damaged: ") as found:
        parse(content, "a/b.json")
    assert isinstance(found.value, DataError)
    assert "\n" not in str(found.value)


def test_lines_lose_a_cut_end_and_no_more() -> None:
    whole = SPANS.text([Span("step", 1.0, 2.0), Span("step", 2.0, 3.0)]).encode()
    assert len(SPANS.parse(whole[:-2])) == 1
    with pytest.raises(DamagedFileError, match=r"metrics\.jsonl, line 2"):
        METRICS.parse(b'{"epoch": 1}\nrubbish\n{"epoch": 3}\n')


def test_every_flipped_bit_of_a_sealed_file_is_refused_or_changes_nothing() -> None:
    value = {"numerics": {"precision": "bf16"}, "classes": 3}
    content = EXPORT.text(value).encode()
    assert EXPORT.parse(content) == value
    assert EXPORT.parse(b'{"classes": 3}') == {"classes": 3}, "of an older version, without a checksum"
    for place in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            try:
                found = EXPORT.parse(bytes(changed))
            except DamagedFileError:
                continue
            assert {key: found.get(key) for key in value} == value


def test_the_checksum_covers_all_but_itself() -> None:
    content = checksum.sealed(b"before " + checksum.PLACEHOLDER.encode() + b" after")
    checksum.check(content, "f")
    with pytest.raises(DamagedFileError, match=r"does not match.*replace the checksum by an empty text"):
        checksum.check(content.replace(b"after", b"aftee"), "f")


def test_an_edited_file_is_taken_once_its_checksum_is_emptied() -> None:
    edited = EXPORT.text({"classes": 3}).replace("3", "4", 1)
    with pytest.raises(DamagedFileError, match="if it was edited on purpose"):
        EXPORT.parse(edited.encode())
    emptied = json.dumps({**json.loads(edited), "checksum": ""})
    assert EXPORT.parse(emptied.encode()) == {"classes": 4}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("0", 0), ("042", 42), (str(2**63 - 1), 2**63 - 1), ("0" * 5000 + "7", 7)),
        *((wrong, None) for wrong in ("", "-1", "1.0", "1_0", " 1", "²", "٣", str(2**63), "9" * 5000)),
    ],
)
def test_digits_are_a_number_that_one_can_use_or_none(text: str, number: int | None) -> None:
    """Python's own int takes 1_0 and ٣, and raises for ², which isdigit, and beyond 4,300 digits."""
    assert whole_number(text) == number
