"""Damaged and hostile variants of a file: cut, bits flipped, other JSON in each place, depth, sizes, encodings."""

import gzip
import io
import json
import random
from collections.abc import Iterator
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, -(2**63), 10**30, 0.5, -1e308, float("nan"), float("inf"), "", "\0", "\ud800",
    "../../etc/passwd", "9" * 5000, "x" * 10_000, [], [None], [[]], {}, {"": None}, {"checksum": 1},
)  # fmt: skip
"""What is put in the place of another value."""
ANEW = "packed anew:"
"""What the names of mutations begin with that no checksum can tell."""
DEEP = (b"[" * 100_000, b'{"a":' * 100_000, b"[" * 70 + b"]" * 70)
WHOLE = (
    b"",
    b"\n",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"1e999",
    b"NaN",
    b"\xff\xfe",
    b"\0" * 64,
    b"\xef\xbb\xbf{}",
    *DEEP,
)
"""Contents in place of all of a file's."""


def mutations(name: str, content: bytes, num: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`num` of them, each with what it is, the same for a seed; some may be the content itself."""
    rng = random.Random(f"{name} {seed}")
    makers = [_cut, _flipped, _replaced, _inserted, _encoded]
    if name.endswith(".json"):
        makers += [_other_value] * 5
    elif name.endswith(".jsonl"):
        makers += [_other_line] * 5
    elif name.endswith((".csv", ".txt")):
        makers += [_other_cell] * 5
    elif name.endswith(".gz"):
        makers += [_within_gzip] * 5
    elif name.endswith(".pt"):
        makers += [_packed_anew] * 5
    for number in range(num):
        if number < len(WHOLE):
            yield f"whole content {WHOLE[number][:20]!r}", WHOLE[number]
        else:
            yield rng.choice(makers)(content, rng)


def _cut(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    end = rng.randrange(len(content))
    return f"cut at {end}", content[:end]


def _flipped(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    flipped, place = bytearray(content), rng.randrange(8 * len(content))
    flipped[place // 8] ^= 1 << place % 8
    return f"bit {place} flipped", bytes(flipped)


def _replaced(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    start = rng.randrange(len(content))
    part = rng.choice(
        (rng.randbytes(rng.randrange(1, 16)), b"\xff" * 4, b"\0" * 8, b"\x7f\xff\xff\xff\xff\xff\xff\xff")
    )
    return f"{part!r} at {start}", content[:start] + part + content[start + len(part) :]


def _inserted(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return f"bytes {start} to {end} twice", content[:end] + content[start:]


def _encoded(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    encoding = rng.choice(("utf-16", "utf-32-be", "utf-8-sig", "latin-1"))
    text = content.decode("latin-1")
    text = text[: len(text) // 2] + "é" + text[len(text) // 2 :] if encoding == "latin-1" else text
    return f"as {encoding}", text.encode(encoding)


def _other_value(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    told, value = _changed(json.loads(content), rng)
    return told, json.dumps(value).encode()


def _packed_anew(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """A checkpoint as somebody else may write it: its own checksums are right."""
    import torch

    told, value = _changed(torch.load(io.BytesIO(content), weights_only=True), rng)
    packed = io.BytesIO()
    torch.save(value, packed)
    return f"{ANEW} {told}", packed.getvalue()


def _changed(value: Any, rng: random.Random) -> tuple[str, Any]:
    """The value with another in one of its places, or without what is there, or under another name; what was done."""
    path, inside, key = rng.choice([((), None, None), *_places(value)])
    new = rng.choice(VALUES)
    change = rng.choice(("value", "value", "value", "gone", "name"))
    told = f"{'.'.join(map(str, path))}: {change} {new!r:.40}"
    if inside is None:
        return told, new
    if change == "value":
        inside[key] = new
    elif change == "gone" or isinstance(inside, list):
        del inside[key]
    else:
        inside[str(new)] = inside.pop(key)
    return told, value


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """Every place in plain values: its path, the mapping or list that has it, and its key there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in list(items):
        yield (*path, key), value, key
        yield from _places(below, (*path, key))


def _other_line(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    lines = content.split(b"\n")
    number = rng.randrange(len(lines) - 1)
    if rng.random() < 0.3:
        told, lines[number] = "whole", rng.choice(WHOLE[:-3])
    else:
        told, lines[number] = _other_value(lines[number], rng)
    return f"line {number}: {told}", b"\n".join(lines)


def _other_cell(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    lines = content.split(b"\n")
    number = rng.randrange(len(lines))
    mark = b"," if b"," in content else b" "
    cells = lines[number].split(mark)
    cells[rng.randrange(len(cells))] = new = rng.choice(
        (
            b"",
            b"\0",
            b"-1",
            b"1e999",
            b"nan",
            b"9" * 5000,
            b'"',
            b"\xff",
            b"../../etc/passwd",
            b"\r",
            b"=1+2",
            mark * 50,
        )
    )
    lines[number] = mark.join(cells)
    return f"line {number}: {new[:20]!r}", b"\n".join(lines)


def _within_gzip(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    inner = gzip.decompress(content)
    head = rng.random() < 0.7  # what a header says is worse than wrong voxels, which nothing can tell
    told, changed = rng.choice((_cut, _flipped, _replaced))(inner[:352] if head else inner, rng)
    return f"within: {told}", gzip.compress(changed + inner[352:] if head else changed, 1)
