"""Perceptual hashes of pages, and the nearest of many by Hamming distance."""

import hashlib

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
UInt64Array = npt.NDArray[np.uint64]
Int64Array = npt.NDArray[np.int64]

HASH = 2
"""Version of the hash function; a page hashed by another is hashed again."""

SIDE = 32
NUM_FREQUENCIES = 8
FLAT = 1e-3
"""A coefficient below counts as none, so that an empty page does not hash rounding errors; in grey values."""

MAX_DISTANCE = 6
"""Bits in which near-duplicates may differ. Measured on drawn letters, memos, forms and e-mails: of pages scanned again
(turned by up to 1 degree, moved by up to 8 pixels, other contrast, noise, black and white or JPEG) 89 % are found, and
1.9 % of the pairs that only share a template are taken for duplicates. At 8 bits 95 % and 5.2 %. A hash of gradients
(dHash) at 6 bits: 80 % and 23 %; of block means: 75 % and 61 %."""

LEAST_EDGES, EDGE = 0.12, 8.0
"""Share of a page's blocks that must differ by so many grey values from their neighbours for its signs to be its own.
Measured on ten drawn pages a class: file folders 0.06 to 0.74, half of them below 0.12; all others 0.16 and more."""

NUM_BANDS = 4
BAND_BITS = 16
MAX_CANDIDATES = 2**22
"""Pairs compared at a time; bounds the memory to some 200 MB."""


def perceptual_hash(page: UInt8Array) -> int:
    """64 bits as a signed number: the signs of the 8 x 8 lowest frequencies (DCT-II) of a page [S, S], those that are
    constant along an edge left out. Brightness and contrast do not change it.

    Of a page with too little on it these signs say where it is empty, as they do of other such pages. Its bits are
    those of a digest instead: only what is the same page to a grey level is near it."""
    values = _block_means(page)
    bits = np.packbits((_COSINES @ values @ _COSINES.T > FLAT).ravel()).tobytes()
    if any(bits) and _edge_share(values) < LEAST_EDGES:
        bits = hashlib.blake2b(np.round(values).astype(np.uint8).tobytes(), digest_size=len(bits)).digest()
    return int.from_bytes(bits, "big", signed=True)


def _edge_share(block_means: npt.NDArray[np.float32]) -> float:
    """Share of the blocks that are unlike the one below or beside them; a dark half of a page counts by its border."""
    down = np.abs(np.diff(block_means, axis=0, append=block_means[-1:])) > EDGE
    beside = np.abs(np.diff(block_means, axis=1, append=block_means[:, -1:])) > EDGE
    return float(np.mean(down | beside))


def _block_means(page: UInt8Array) -> npt.NDArray[np.float32]:
    """[SIDE, SIDE]"""
    from PIL import Image

    height, width = page.shape
    if height % SIDE or width % SIDE:
        small = Image.fromarray(page).resize((SIDE, SIDE), Image.Resampling.BOX)
        return np.asarray(small, dtype=np.float32)
    rows = page.reshape(SIDE, height // SIDE, width).sum(1, dtype=np.uint32)
    blocks = rows.reshape(SIDE, SIDE, width // SIDE).sum(2, dtype=np.uint32)
    return np.asarray(blocks / (page.size // SIDE**2), dtype=np.float32)


def nearest(
    queries: Int64Array, references: Int64Array, max_distance: int = MAX_DISTANCE
) -> tuple[Int64Array, Int64Array]:
    """For each query hash the nearest reference and its distance in bits; the first one of several. -1, -1: none is
    within `max_distance` (0 to 64).

    Two hashes that differ in at most d bits differ in at most d // 4 bits of one of their four bands of 16; so only the
    references are compared that share such a band up to so many bits.
    """
    found = np.full(len(queries), -1, np.int64)
    distances = np.full(len(queries), -1, np.int64)
    if not len(queries) or not len(references):
        return found, distances
    unique, first = np.unique(references.view(np.uint64), return_index=True)
    asked, back = np.unique(queries.view(np.uint64), return_inverse=True)
    best = np.full(len(asked), (max_distance + 1) << 40, np.int64)  # distance, and below it the reference's number
    masks = [m for m in range(2**BAND_BITS) if m.bit_count() <= max_distance // NUM_BANDS]
    for band in range(NUM_BANDS):
        _search_band(asked, unique, first.astype(np.int64), band, masks, best)
    best = best[back]
    hit = best >> 40 <= max_distance
    found[hit], distances[hit] = best[hit] & (2**40 - 1), best[hit] >> 40
    return found, distances


def _search_band(
    asked: UInt64Array, unique: UInt64Array, first: Int64Array, band: int, masks: list[int], best: Int64Array
) -> None:
    """Lower `best` by what shares one band up to one of the masks."""
    keys = _band(unique, band)
    order = np.argsort(keys, kind="stable")
    starts = np.searchsorted(keys[order], np.arange(2**BAND_BITS + 1))
    own = _band(asked, band)
    for mask in masks:
        low, high = starts[own ^ mask], starts[(own ^ mask) + 1]
        counts = high - low
        active = np.flatnonzero(counts)
        ends = np.cumsum(counts[active])
        begin = 0
        while begin < len(active):
            done = ends[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, done + MAX_CANDIDATES, side="right")))
            part = active[begin:end]
            sizes = counts[part]
            heads = np.cumsum(sizes) - sizes  # where each query's candidates begin
            candidates = order[np.arange(sizes.sum()) + np.repeat(low[part] - heads, sizes)]
            bits = np.bitwise_count(unique[candidates] ^ np.repeat(asked[part], sizes)).astype(np.int64)
            best[part] = np.minimum(best[part], np.minimum.reduceat((bits << 40) | first[candidates], heads))
            begin = end


def _band(hashes: UInt64Array, band: int) -> Int64Array:
    return ((hashes >> np.uint64(band * BAND_BITS)) & np.uint64(2**BAND_BITS - 1)).astype(np.int64)


def _cosines() -> npt.NDArray[np.float32]:
    """[NUM_FREQUENCIES, SIDE]: rows 1 to 8 of the orthonormal DCT-II."""
    frequency, place = np.arange(1, NUM_FREQUENCIES + 1)[:, None], np.arange(SIDE)[None]
    waves = np.cos(np.pi * frequency * (2 * place + 1) / (2 * SIDE))
    return np.asarray(np.sqrt(2 / SIDE) * waves, dtype=np.float32)


_COSINES = _cosines()
