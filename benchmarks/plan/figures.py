"""Figures of docs/planning.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def regrets(small: Sequence[float], large: Sequence[float], path: Path) -> None:
    """How many of the studies took at most so much longer than the best plan known."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    labels = ("small: every plan was tried", "large: against candidates and random plans")
    for found, label, dashes in zip((small, large), labels, ("-", "--"), strict=True):
        ordered = sorted(100 * one for one in found)
        shares = [100 * (place + 1) / len(ordered) for place in range(len(ordered))]
        axes.step(ordered, shares, dashes, where="post", label=f"{label} ({len(ordered)})")
    axes.axvline(5, color="grey", linewidth=0.8)
    axes.set(
        xlabel="longer than the best plan known (%)", ylabel="share of studies (%)", xlim=(-0.2, 20), ylim=(0, 101)
    )
    axes.legend(loc="lower right", frameon=False)
    _write(figure, path)


def speed_ups(
    curves: Mapping[str, Mapping[int, float]], known: Mapping[str, Mapping[int, float]], path: Path, label: str
) -> None:
    """Speed-up by number of workers; `known`: what was published or measured, by curve, as crosses."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()
    most = max(k for points in curves.values() for k in points) + 1
    top = 1.25 * max(value for points in (*curves.values(), *known.values()) for value in points.values())
    for (name, points), dashes in zip(curves.items(), ("-", "--", ":", "-."), strict=False):
        (line,) = axes.plot([*points], [*points.values()], dashes, marker="o", markersize=3, label=name)
        if name in known:
            there = known[name]
            axes.plot([*there], [*there.values()], marker="x", markersize=9, color=line.get_color(), linestyle="")
    axes.set(xlabel=label, ylabel="speed-up", xlim=(0, most), ylim=(0, top))
    axes.legend(loc="upper left", frameon=False)
    _write(figure, path)


def _write(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None})
