"""The figure of docs/studies.md: throughput of each side against eager PyTorch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def draw(cases: Mapping[str, Mapping[str, Any]], base: str, path: Path) -> None:
    """A panel a case, a bar a side with its interval, and the rate beside it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 1.9 * len(cases) + 0.6), layout="constrained")
    panels = figure.subplots(len(cases), 1, squeeze=False)[:, 0]
    for axes, (name, case) in zip(panels, cases.items(), strict=True):
        sides = {side: found for side, found in reversed(case["sides"].items()) if "ratio" in found}
        for place, (side, found) in enumerate(sides.items()):
            against = found["ratio"]
            errors = [[against["median"] - against["low"]], [against["high"] - against["median"]]]
            color = "C0" if side.startswith("PyTorch") else "C2" if "PyTorch" in side else "C1"
            axes.barh(place, against["median"], xerr=errors, color=color, capsize=2, height=0.7)
            axes.annotate(f" {found['per_s']:.3g} {case['unit']}", (against["high"], place), va="center", fontsize=7)
        axes.set_yticks(range(len(sides)), list(sides), fontsize=7)
        axes.set_xlim(0, 1.35 * max(found["ratio"]["high"] for found in sides.values()))
        axes.axvline(1, color="grey", linewidth=0.8)
        axes.set_title(name, fontsize=8)
    panels[-1].set_xlabel(f"training throughput / {base}", fontsize=8)
    figure.savefig(path, metadata={"Date": None})
