"""Image files made byte by byte from known pixels, as TIFF 6.0 and PNG describe them."""

import struct
import zlib

import numpy as np

LEVELS = (np.indices((20, 24)).sum(0) // 6 + np.indices((20, 24))[0] // 7) % 4
"""[20, 24] of 0 to 3: thirds of the range; like none of its turned copies."""
GREY = (LEVELS * 85).astype(np.uint8)
"""What a viewer shows of them: 0 is black, 3 white."""


def packed(codes: np.ndarray, bits: int, order: str = ">") -> bytes:
    """Rows of samples, each row from a whole byte on."""
    if bits in (8, 16, 32):
        return codes.astype(f"{order}u{bits // 8}").tobytes()
    places = np.arange(bits - 1, -1, -1)
    return b"".join(np.packbits((row[:, None] >> places & 1).ravel().astype(np.uint8)).tobytes() for row in codes)


def pack_bits(content: bytes) -> bytes:
    """Literal runs alone."""
    parts = [content[i : i + 128] for i in range(0, len(content), 128)]
    return b"".join(bytes([len(part) - 1]) + part for part in parts)


def lzw(content: bytes) -> bytes:
    """Codes of 9 bits, each byte by itself, the table cleared before it needs more."""
    codes = []
    for i in range(0, len(content), 200):
        codes += [256, *content[i : i + 200]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


COMPRESSED = {1: bytes, 5: lzw, 8: zlib.compress, 32773: pack_bits}


def tiff_directory(
    start: int, tags: dict[int, int | list[int]], parts: list[bytes], order: str, tiled: bool, following: bool
) -> bytes:
    """A directory that begins at `start`, with the parts of its pixels behind it."""
    offsets, lengths = (324, 325) if tiled else (273, 279)
    tags = tags | {offsets: [0] * len(parts), lengths: [len(part) for part in parts]}
    lists = start + 2 + 12 * len(tags) + 4
    data = lists + sum(4 * len(v) for v in tags.values() if isinstance(v, list) and len(v) > 1)
    tags[offsets] = [data + sum(map(len, parts[:i])) for i in range(len(parts))]
    entries, listed = [], b""
    for tag, value in sorted(tags.items()):
        values = value if isinstance(value, list) else [value]
        place = values[0] if len(values) == 1 else lists + len(listed)
        if len(values) > 1:
            listed += struct.pack(f"{order}{len(values)}I", *values)
        entries.append(struct.pack(order + "HHII", tag, 4, len(values), place))
    end = data + sum(map(len, parts))
    end += end % 2
    head = struct.pack(order + "H", len(entries)) + b"".join(entries)
    body = head + struct.pack(order + "I", end if following else 0) + listed + b"".join(parts)
    return body.ljust(end - start, b"\0")


def tiff_page(
    codes: np.ndarray,
    bits: int,
    photometric: int | None = 1,
    order: str = "<",
    compression: int = 1,
    layout: str = "strip",
    start: int = 8,
    following: bool = False,
    **more: int | list[int],
) -> bytes:
    """One grey or palette page; `layout`: strip, strips (of 5 rows) or tiles (of 16 x 16); `more`: `tNNN`."""
    height, width = codes.shape
    tags: dict[int, int | list[int]] = {256: width, 257: height, 258: bits, 259: compression, 277: 1}
    if photometric is not None:
        tags[262] = photometric
    if layout == "tiles":
        tags |= {322: 16, 323: 16}
        wide = np.pad(codes, ((0, -height % 16), (0, -width % 16)))
        blocks = [
            wide[y : y + 16, x : x + 16] for y in range(0, wide.shape[0], 16) for x in range(0, wide.shape[1], 16)
        ]
    else:
        rows = 5 if layout == "strips" else height
        tags |= {278: rows}
        blocks = [codes[y : y + rows] for y in range(0, height, rows)]
    tags |= {int(name[1:]): value for name, value in more.items()}
    parts = [COMPRESSED[compression](packed(block, bits, order)) for block in blocks]
    return tiff_directory(start, tags, parts, order, layout == "tiles", following)


def tiff(*pages: dict[str, object], order: str = "<") -> bytes:
    """A file of pages, each the arguments of `tiff_page`."""
    content = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8)
    for number, page in enumerate(pages):
        content += tiff_page(**page, order=order, start=len(content), following=number + 1 < len(pages))  # type: ignore[arg-type]
    return content


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    codes: np.ndarray, bits: int, before: bytes = b"", after: bytes = b"", kind: int = 0, turned: int | None = None
) -> bytes:
    """Chunks before and after the pixels; kind 0 is grey, 2 RGB, 4 grey and alpha ([H, W, C])."""
    flat = codes.reshape(len(codes), -1)
    rows = b"".join(b"\0" + packed(row[None], bits) for row in flat)
    header = struct.pack(">IIBBBBB", codes.shape[1], codes.shape[0], bits, kind, 0, 0, 0)
    exif = chunk(b"eXIf", exif_orientation(turned)) if turned is not None else b""
    parts = (chunk(b"IHDR", header), before, exif, chunk(b"IDAT", zlib.compress(rows)), after, chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def exif_orientation(value: int) -> bytes:
    return struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 274, 3, 1, value, 0)


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """What is shown of stored pixels, by the table of TIFF 6.0 (where row 0 and column 0 lie)."""
    return {
        1: pixels,
        2: pixels[:, ::-1],  # top, right
        3: pixels[::-1, ::-1],  # bottom, right
        4: pixels[::-1],  # bottom, left
        5: pixels.T,  # left, top
        6: pixels.T[:, ::-1],  # right, top
        7: pixels.T[::-1, ::-1],  # right, bottom
        8: pixels.T[::-1],  # left, bottom
    }[orientation]
