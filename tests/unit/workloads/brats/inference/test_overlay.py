"""The picture shows the right plane, the right way round, at true proportions, with the right numbers."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from app.workloads.brats.inference.overlay import (
    COLOURS,
    DPI,
    FOOT_INCHES,
    HEAD_INCHES,
    MARGIN_SHARE,
    PLANES,
    Picture,
    Plane,
    cut_plane,
    draw_overlay,
    plane_spacing,
    volumes_ml,
    widest_slices,
)

SHAPE = (20, 30, 24)  # Z Y X of a RAS+ volume, of 4 x 2 x 2 mm: 80 x 60 x 48 mm
MARGIN_MM = MARGIN_SHARE * 80


def picture(prediction: np.ndarray, truth: np.ndarray | None = None, outputs: str = "regions") -> Picture:
    image = np.random.default_rng(0).integers(400, 600, (4, *SHAPE)).astype(np.int16)
    return Picture("CASE_7", image, prediction, truth, (4.0, 2.0, 2.0), outputs)


@pytest.mark.parametrize("plane", PLANES, ids=lambda plane: plane.name)
def test_right_anterior_superior_is_up_and_left(plane: Plane) -> None:
    """RAS+ axes grow towards the patient's right, front and top; radiologists see the right on the left."""
    volume = np.zeros(SHAPE, np.uint8)
    volume[-1, -1, -1] = 1
    shown = cut_plane(volume, plane, SHAPE[plane.axis] - 1)
    assert np.argwhere(shown).tolist() == [[0, 0]]
    assert plane.letters[0] == ("A" if plane.name == "sagittal" else "R")
    assert plane.letters[2] == ("A" if plane.name == "axial" else "S")


def test_rows_and_columns_have_their_own_spacing() -> None:
    assert [plane_spacing((4.0, 2.0, 1.0), plane) for plane in PLANES] == [(2.0, 1.0), (4.0, 1.0), (4.0, 2.0)]


def test_slices_go_through_the_widest_part() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[3:6, 10, 5] = True
    mask[4, 8:15, 5] = True
    mask[4, 12, 5:9] = True
    assert widest_slices(mask) == (4, 12, 5)
    assert widest_slices(np.zeros(SHAPE, bool)) == (10, 15, 12)


def test_volumes_are_in_millilitres() -> None:
    label = np.zeros(SHAPE, np.uint8)
    label[0, 0, :10] = 2
    label[0, 1, :6] = 1
    label[0, 2, :4] = 3
    assert volumes_ml(label, (5.0, 2.0, 10.0), "regions") == pytest.approx({"WT": 2.0, "TC": 1.0, "ET": 0.4})
    assert volumes_ml(label, (5.0, 2.0, 10.0), "whole") == pytest.approx({"WT": 2.0})


def panels(png: bytes, colour: str) -> dict[tuple[int, int], np.ndarray]:
    """(row, column) of the panel -> positions of the colour's pixels in it, as shares of its height and width."""
    pixels = imread(io.BytesIO(png))[..., :3]
    places = np.argwhere(np.abs(pixels - np.array(to_rgb(colour))).max(axis=-1) < 0.06).astype(float)
    height, width = pixels.shape[:2]
    top, bottom = HEAD_INCHES * DPI, height - FOOT_INCHES * DPI
    extents = [n * s + 2 * MARGIN_MM for n, s in ((24, 2.0), (24, 2.0), (30, 2.0))]
    edges = np.cumsum([0, *extents]) / sum(extents) * width
    found = {}
    for row in range(2):
        low, high = top + (bottom - top) * row / 2, top + (bottom - top) * (row + 1) / 2
        for column in range(3):
            here = (places[:, 0] >= low) & (places[:, 0] < high)
            here &= (places[:, 1] >= edges[column]) & (places[:, 1] < edges[column + 1])
            size = (high - low, edges[column + 1] - edges[column])
            found[row, column] = (places[here] - (low, edges[column])) / size
    return found


def test_contours_lie_where_the_tumour_is() -> None:
    prediction = np.zeros(SHAPE, np.uint8)
    prediction[12:17, 20:27, 3:9] = 2  # top, front, left of the patient
    found = panels(draw_overlay(picture(prediction)), COLOURS["WT"])
    for row in range(2):
        for column, plane in enumerate(PLANES):
            down, right = found[row, column].mean(axis=0)
            assert down < 0.5, (row, plane.name)
            assert (right < 0.5) == (plane.name == "sagittal"), (row, plane.name)


def test_proportions_are_true() -> None:
    """10 x 10 x 5 voxels of 2 x 2 x 4 mm are a cube of 20 mm: a square in every plane."""
    prediction = np.zeros(SHAPE, np.uint8)
    prediction[7:12, 10:20, 7:17] = 3
    png = draw_overlay(picture(prediction))
    height, width = imread(io.BytesIO(png)).shape[:2]
    panel_height = (height - (HEAD_INCHES + FOOT_INCHES) * DPI) / 2
    for (_, column), places in panels(png, COLOURS["ET"]).items():
        share = np.array([24, 24, 30])[column] * 2.0 + 2 * MARGIN_MM
        panel_width = width * share / (2 * 24 * 2.0 + 30 * 2.0 + 6 * MARGIN_MM)
        rows, columns = np.ptp(places, axis=0) * (panel_height, panel_width)
        assert rows == pytest.approx(columns, rel=0.06)


def test_truth_is_dashed_and_only_there_when_given() -> None:
    prediction, truth = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    prediction[5:10, 5:15, 5:15] = 2
    truth[5:10, 5:15, 8:18] = 2
    without = sum(len(places) for places in panels(draw_overlay(picture(prediction)), "white").values())
    given = sum(len(places) for places in panels(draw_overlay(picture(prediction, truth)), "white").values())
    assert given > without + 300


@pytest.mark.parametrize("outputs", ["whole", "regions"])
def test_a_case_without_tumour_is_drawn_too(outputs: str) -> None:
    png = draw_overlay(picture(np.zeros(SHAPE, np.uint8), outputs=outputs))
    found = panels(png, COLOURS["ET"])
    assert sum(len(places) for places in found.values()) == 0
    assert png.startswith(b"\x89PNG")
