import numpy as np
import pytest
from drawn_sets import draw_page
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn

from app.workloads.documents.store import hashing
from app.workloads.documents.store.hashing import nearest, perceptual_hash

HASHES = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30)


def pixels(image: Image.Image, size: int = 384) -> np.ndarray:
    return np.asarray(image.convert("L").resize((size, size), Image.Resampling.BOX))


def distance(a: int, b: int) -> int:
    return ((a ^ b) & (2**64 - 1)).bit_count()


def test_the_bits_are_the_signs_of_low_frequencies() -> None:
    """Against scipy's DCT of the block means."""
    page = pixels(draw_page(0), 64)
    means = page.reshape(32, 2, 32, 2).mean((1, 3))
    signs = (dctn(means, norm="ortho")[1:9, 1:9] > hashing.FLAT).ravel()
    assert perceptual_hash(page) % 2**64 == int("".join("01"[s] for s in signs.astype(int)), 2)


@pytest.mark.parametrize("size", [32, 100, 224, 384])
def test_the_size_of_the_stored_page_hardly_matters(size: int) -> None:
    assert distance(perceptual_hash(pixels(draw_page(0), size)), perceptual_hash(pixels(draw_page(0)))) <= 4


def test_an_empty_page_has_no_bits() -> None:
    for grey in (0, 127, 255):
        assert perceptual_hash(np.full((384, 384), grey, np.uint8)) == 0


def folder(seed: int) -> np.ndarray:
    """A file folder of 384 x 384 pixels: its tab and a dark lower half, as all have them; and a word by hand."""
    rng = np.random.default_rng(seed)
    page = np.full((384, 384), 245, np.uint8)
    page[:24, 240:330], page[250:] = 170, 180
    y, x = rng.integers(60, 220), rng.integers(20, 300)
    for letter in range(6):
        page[y : y + 8, x + 8 * letter : x + 8 * letter + rng.integers(2, 6)] = rng.integers(60, 120)
    return page


def test_pages_with_too_little_on_them_are_alike_only_if_they_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [folder(seed) for seed in range(30)]
    hashes = [perceptual_hash(page) for page in folders]
    pairs = [(a, b) for a in range(30) for b in range(a)]
    assert not any(distance(hashes[a], hashes[b]) <= hashing.MAX_DISTANCE for a, b in pairs)
    again = folders[0].copy()
    again[0, 0] -= 1  # a grey value of one pixel
    assert perceptual_hash(again) == hashes[0]
    monkeypatch.setattr(hashing, "LEAST_EDGES", 0.0)
    signs = [perceptual_hash(page) for page in folders]
    assert np.mean([distance(signs[a], signs[b]) <= hashing.MAX_DISTANCE for a, b in pairs]) > 0.25


def test_scans_of_one_page_are_near_and_other_pages_are_not() -> None:
    rng = np.random.default_rng(0)
    near, far = [], []
    for seed in range(30):
        page = draw_page(seed, 754, 1000).resize((754, 1000))
        own = perceptual_hash(pixels(page))
        turned = page.rotate(
            rng.uniform(-0.5, 0.5), fillcolor=240, translate=(rng.integers(-3, 4), rng.integers(-3, 4))
        )
        noisy = np.asarray(turned) * 0.8 + 20 + rng.normal(0, 8, (1000, 754))
        near.append(distance(own, perceptual_hash(pixels(Image.fromarray(noisy.clip(0, 255).astype(np.uint8))))))
        far.append(distance(own, perceptual_hash(pixels(draw_page(seed + 100, 754, 1000)))))
    assert np.mean(np.array(near) <= hashing.MAX_DISTANCE) >= 0.9
    assert min(far) > hashing.MAX_DISTANCE


@given(HASHES, HASHES, st.integers(0, 20), st.data())
def test_nearest_agrees_with_comparing_all(
    queries: list[int], references: list[int], reach: int, data: st.DataObject
) -> None:
    for i in range(len(queries)):  # random hashes are never near: some are made so
        if references and data.draw(st.booleans()):
            mask = sum(1 << b for b in data.draw(st.sets(st.integers(0, 62), max_size=reach + 2)))
            queries[i] = data.draw(st.sampled_from(references)) ^ mask
    found, bits = nearest(np.array(queries, np.int64), np.array(references, np.int64), reach)
    for query, index, n in zip(queries, found.tolist(), bits.tolist(), strict=True):
        all_bits = [distance(query, reference) for reference in references]
        if min(all_bits, default=65) > reach:
            assert (index, n) == (-1, -1)
        else:
            assert (index, n) == (all_bits.index(min(all_bits)), min(all_bits))


def test_crowded_bands_are_searched_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that look alike crowd one bucket; the pairs compared at a time stay few."""
    monkeypatch.setattr(hashing, "MAX_CANDIDATES", 50)
    rng = np.random.default_rng(0)
    references = rng.integers(0, 2**16, 200)
    queries = rng.integers(0, 2**16, 40)
    _, bits = nearest(queries, references, 3)
    best = np.bitwise_count(queries[:, None] ^ references[None]).min(1).astype(int)
    assert bits.tolist() == np.where(best <= 3, best, -1).tolist()
