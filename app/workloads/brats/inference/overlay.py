"""A picture of a segmentation that can be read at a glance: three planes through the tumour, FLAIR and T1gd.

Planes are shown the radiological way: axial and coronal as seen from the feet and from the front, so the patient's
right is on the left of the picture; sagittal with the nose to the left. Letters say so on every panel.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.workloads.brats.labels import OUTPUT_REGIONS, REGIONS, region_masks

LabelArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
Triple = tuple[int, int, int]

COLOURS = {"WT": "#56B4E9", "TC": "#F0E442", "ET": "#FF6A3D"}
"""Sky blue, yellow and (a lighter) vermillion of Okabe and Ito's colour-blind-safe palette; all stand out on grey."""
MEANINGS = {"WT": "whole tumour", "TC": "tumour core", "ET": "enhancing tumour"}
FILL_OPACITY = 0.16
"""Assumed: the tissue under it stays visible."""
DASHES: Any = (0, (2.5, 2))
ROWS = ((0, "FLAIR"), (2, "T1gd"))
"""Channel and name: FLAIR shows edema, T1w with gadolinium the enhancing part."""
WINDOW_PERCENTILES = (1.0, 99.7)
"""Intensities of the brain that become black and white; assumed."""
MARGIN_SHARE = 0.07
"""Black around the brain, where letters and scale go, as a share of its longest edge; assumed."""
SCALE_BARS_MM = (50, 20, 10, 5, 2, 1)
"""The longest that is shorter than half the axial panel is drawn."""
DPI = 110
PANEL_HEIGHT_INCHES = 3.9
HEAD_INCHES = 0.62
FOOT_INCHES = 1.0


@dataclass(frozen=True)
class Plane:
    """One of the three planes, as axes of a [Z, Y, X] RAS+ volume."""

    name: str
    axis: int
    """The axis that the plane cuts."""
    flip_columns: bool
    letters: tuple[str, str, str, str]
    """At the left, right, top and bottom edge."""


PLANES = (
    Plane("axial", 0, True, ("R", "L", "A", "P")),
    Plane("coronal", 1, True, ("R", "L", "S", "I")),
    Plane("sagittal", 2, True, ("A", "P", "S", "I")),
)
"""Rows always run downwards from the end of their axis (A or S on top)."""


@dataclass(frozen=True)
class Picture:
    """What is drawn. Axes z, y, x of the RAS+ volume, in the box around the brain."""

    case_id: str
    image: npt.NDArray[np.int16]
    """[4, D, H, W]."""
    prediction: LabelArray
    """[D, H, W], internal codes."""
    truth: LabelArray | None
    spacing_mm: tuple[float, float, float]
    outputs: str
    """A key of OUTPUT_REGIONS: which regions the model tells apart."""


def cut_plane(volume: npt.NDArray[Any], plane: Plane, index: int) -> npt.NDArray[Any]:
    """The plane of [Z, Y, X] as it is shown: the first row on top, the first column on the left."""
    cut: npt.NDArray[Any] = np.take(volume, index, axis=plane.axis)[::-1]
    return cut[:, ::-1] if plane.flip_columns else cut


def plane_spacing(spacing_mm: tuple[float, float, float], plane: Plane) -> tuple[float, float]:
    """Distance in mm between rows and between columns of a shown plane."""
    rows, columns = (s for axis, s in enumerate(spacing_mm) if axis != plane.axis)
    return rows, columns


def widest_slices(mask: BoolArray) -> Triple:
    """For each axis the slice with the most voxels of the mask [Z, Y, X]; of equal ones the middle one; without any
    voxel the middle of the volume."""
    found = []
    for axis, length in enumerate(mask.shape):
        area = mask.sum(axis=tuple(a for a in range(3) if a != axis))
        best = np.flatnonzero(area == area.max())
        found.append(int(best[len(best) // 2]) if area.max() else length // 2)
    z, y, x = found
    return z, y, x


def volumes_ml(label: LabelArray, spacing_mm: tuple[float, float, float], outputs: str) -> dict[str, float]:
    """Millilitres of each region."""
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    return {region: int(np.count_nonzero(_mask(label, region))) * voxel_ml for region in OUTPUT_REGIONS[outputs]}


def draw_overlay(picture: Picture) -> bytes:
    """The PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = picture.prediction > 0
    slices = widest_slices(shown if shown.any() or picture.truth is None else picture.truth > 0)
    widths = [_extent_mm(picture, plane)[1] for plane in PLANES]
    heights = [max(_extent_mm(picture, plane)[0] for plane in PLANES)] * len(ROWS)
    body_height = PANEL_HEIGHT_INCHES * len(ROWS)
    body_width = body_height * sum(widths) / sum(heights)
    height = body_height + HEAD_INCHES + FOOT_INCHES
    figure = Figure(figsize=(body_width, height), facecolor="black", dpi=DPI)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        len(ROWS), len(PLANES), width_ratios=widths, left=0, right=1, wspace=0, hspace=0,
        top=1 - HEAD_INCHES / height, bottom=FOOT_INCHES / height,
    )  # fmt: skip
    for row, (channel, name) in enumerate(ROWS):
        window = _window(picture.image[channel])
        for column, plane in enumerate(PLANES):
            axes = figure.add_subplot(grid[row, column])
            _draw_panel(axes, picture, plane, slices, channel, window)
            title = f"{name}  ·  {plane.name}"
            axes.text(0.02, 0.985, title, transform=axes.transAxes, color="white", va="top", fontsize=10)
    _draw_head(figure, picture, 1 - 0.5 * HEAD_INCHES / height)
    _draw_foot(figure, picture, FOOT_INCHES / height)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="black", metadata={"Software": None})
    return buffer.getvalue()


def _draw_panel(
    axes: Any, picture: Picture, plane: Plane, slices: Triple, channel: int, window: tuple[float, float]
) -> None:
    rows_mm, columns_mm = plane_spacing(picture.spacing_mm, plane)
    index = slices[plane.axis]
    grey = cut_plane(picture.image[channel], plane, index).astype(np.float32)
    num_rows, num_columns = grey.shape
    extent = (0.0, num_columns * columns_mm, num_rows * rows_mm, 0.0)  # mm, so that the aspect is true
    axes.set_facecolor("black")
    low, high = window
    axes.imshow(grey, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bilinear", aspect="equal")
    prediction = region_masks(cut_plane(picture.prediction, plane, index), picture.outputs)
    truth = None
    if picture.truth is not None:
        truth = region_masks(cut_plane(picture.truth, plane, index), picture.outputs)
    x = (np.arange(num_columns) + 0.5) * columns_mm
    y = (np.arange(num_rows) + 0.5) * rows_mm
    axes.imshow(_tint(prediction, picture.outputs), extent=extent, interpolation="nearest", aspect="equal")
    for number, region in enumerate(OUTPUT_REGIONS[picture.outputs]):
        width = 2.4 if region == "TC" else 1.6  # where the enhancing part ends at the core's edge both lines are seen
        _draw_contour(axes, x, y, prediction[number], colors=[COLOURS[region]], linewidths=width)
    for mask in () if truth is None else truth:
        _draw_contour(axes, x, y, mask, colors="black", linewidths=1.7, alpha=0.45)  # on bright tissue too
        _draw_contour(axes, x, y, mask, colors="white", linewidths=1.0, linestyles=[DASHES])
    _frame_panel(axes, picture, plane, (extent[1], extent[2]))


def _tint(regions: BoolArray, outputs: str) -> npt.NDArray[np.float32]:
    """Transparent colours [H, W, 4] of region masks [C, H, W]: each voxel that of the innermost region it is in."""
    from matplotlib.colors import to_rgb

    tint = np.zeros((*regions.shape[1:], 4), np.float32)
    for mask, region in zip(regions, OUTPUT_REGIONS[outputs], strict=True):
        tint[mask] = (*to_rgb(COLOURS[region]), FILL_OPACITY)
    return tint


def _draw_contour(axes: Any, x: npt.NDArray[Any], y: npt.NDArray[Any], mask: BoolArray, **style: Any) -> None:
    """The outline of mask [H, W], whose voxels' centres are at x and y (mm); closed at the edge of the picture too."""
    if mask.any():
        wider, higher = (np.concatenate([[a[0] - s], a, [a[-1] + s]]) for a, s in ((x, 2 * x[0]), (y, 2 * y[0])))
        axes.contour(wider, higher, np.pad(mask, 1), levels=[0.5], **style)


def _frame_panel(axes: Any, picture: Picture, plane: Plane, size_mm: tuple[float, float]) -> None:
    """Limits, letters of orientation, scale bar."""
    width, height = size_mm
    full_height = max(_extent_mm(picture, p)[0] for p in PLANES)
    spare = (full_height - height) / 2
    margin = margin_mm(picture)
    axes.set_xlim(-margin, width + margin)
    axes.set_ylim(height + spare, -spare)
    axes.set_axis_off()
    left, right, top, bottom = plane.letters
    style = {"color": "#DDDDDD", "fontsize": 12, "fontweight": "bold", "transform": axes.transAxes}
    axes.text(0.015, 0.5, left, ha="left", va="center", **style)
    axes.text(0.985, 0.5, right, ha="right", va="center", **style)
    axes.text(0.5, 0.985, top, ha="center", va="top", **style)
    axes.text(0.5, 0.015, bottom, ha="center", va="bottom", **style)
    if plane.axis == 0:
        bar = next((mm for mm in SCALE_BARS_MM if mm < width / 2), SCALE_BARS_MM[-1])
        y, x = height + spare - 0.015 * full_height, -0.7 * margin
        axes.plot([x, x + bar], [y, y], color="#DDDDDD", linewidth=2, solid_capstyle="butt")
        text = f"{bar / 10:.0f} cm" if bar >= 10 else f"{bar} mm"
        axes.text(x, y - 0.01 * full_height, text, color="#DDDDDD", fontsize=9, va="bottom")


def _draw_head(figure: Any, picture: Picture, y: float) -> None:
    figure.text(0.012, y, picture.case_id, color="white", fontsize=15, fontweight="bold", va="center")
    note = "slices through the tumour's largest extent" if (picture.prediction > 0).any() else "no tumour predicted"
    note = f"{note}  ·  radiological convention: R is the patient's right"
    figure.text(0.988, y, note, color="#BBBBBB", fontsize=10, va="center", ha="right")


def _draw_foot(figure: Any, picture: Picture, height: float) -> None:
    """Legend and numbers: a cell for each region, and one for the truth."""
    predicted = volumes_ml(picture.prediction, picture.spacing_mm, picture.outputs)
    true = None if picture.truth is None else volumes_ml(picture.truth, picture.spacing_mm, picture.outputs)
    step = 1 / max(len(predicted) + (true is not None), 3)
    for number, (region, ml) in enumerate(predicted.items()):
        lines = [f"{MEANINGS[region]} ({region})", f"{ml:.1f} ml"]
        if true is not None:
            lines.append(f"truth {true[region]:.1f} ml, {_dice_text(picture, region)}")
        _legend_cell(figure, 0.012 + number * step, height, COLOURS[region], lines)
    if true is not None:
        _legend_cell(figure, 0.012 + len(predicted) * step, height, None, ["truth", "of each region"])


def _legend_cell(figure: Any, x: float, height: float, colour: str | None, lines: list[str]) -> None:
    """A swatch (a colour: filled; None: the truth's dashes) and up to three lines beside it."""
    from matplotlib.patches import Rectangle

    corner, extent = (x, height * 0.58), (0.03, height * 0.28)
    if colour is not None:
        figure.add_artist(
            Rectangle(corner, *extent, transform=figure.transFigure, facecolor=colour, alpha=FILL_OPACITY + 0.1)
        )
    line: dict[str, Any] = {"edgecolor": colour or "white", "linewidth": 1.6, "linestyle": "-" if colour else DASHES}
    figure.add_artist(Rectangle(corner, *extent, transform=figure.transFigure, fill=False, **line))
    for number, text in enumerate(lines):
        size, tone = (12, "white") if number < 2 else (10, "#BBBBBB")
        figure.text(x + 0.04, height * (0.72 - 0.28 * number), text, color=tone, fontsize=size, va="center")


def _dice_text(picture: Picture, region: str) -> str:
    assert picture.truth is not None
    predicted, true = _mask(picture.prediction, region), _mask(picture.truth, region)
    num_all = int(np.count_nonzero(predicted)) + int(np.count_nonzero(true))
    return f"Dice {2 * int(np.count_nonzero(predicted & true)) / num_all:.2f}" if num_all else "both empty"


def _mask(label: LabelArray, region: str) -> BoolArray:
    """Voxels of a region; by comparisons, because a table look-up would take eight times the label's memory."""
    mask = np.zeros(label.shape, np.bool_)
    for code in REGIONS[region]:
        mask |= label == code
    return mask


def _window(channel: npt.NDArray[np.int16]) -> tuple[float, float]:
    brain = channel[channel != 0][::7]  # every seventh voxel tells percentiles as well
    if brain.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(brain, WINDOW_PERCENTILES)
    return float(min(low, 0.0)), float(max(high, low + 1))


def _extent_mm(picture: Picture, plane: Plane) -> tuple[float, float]:
    """Height and width of a shown plane with its margin."""
    rows_mm, columns_mm = plane_spacing(picture.spacing_mm, plane)
    num_rows, num_columns = (n for axis, n in enumerate(picture.prediction.shape) if axis != plane.axis)
    margin = margin_mm(picture)
    return num_rows * rows_mm + 2 * margin, num_columns * columns_mm + 2 * margin


def margin_mm(picture: Picture) -> float:
    """Black on each side of a panel."""
    return MARGIN_SHARE * max(float(n * mm) for n, mm in zip(picture.prediction.shape, picture.spacing_mm, strict=True))
