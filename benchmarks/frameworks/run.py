"""The comparison: outputs must agree first; then the sides take turns, and each is held against eager PyTorch."""

import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from statistics import median
from typing import Any

import numpy as np

from app.errors import UsageError
from benchmarks.common import ROOT, Report, Setting, alternate, load_average, say
from benchmarks.frameworks.cases import Case, make_inputs
from benchmarks.peers import environment
from benchmarks.side import Side, SideError

ENVIRONMENT = "frameworks"
CASES = (
    Case("efficientnet_b0", (224, 224), 8),
    Case("unet3d", (64, 64, 64), 2),
    Case("efficientnet_b0", (384, 384), 4),
)
QUICK_CASES = (Case("efficientnet_b0", (64, 64), 4), Case("unet3d", (16, 16, 16), 2))
TOLERANCE = 1e-4
"""Largest difference of outputs, as a share of the largest output."""
NUM_ROUNDS, NUM_STEPS = 12, 1
"""Rounds that count, and steps a round. Of twelve the interval goes from the third ratio to the tenth, so that two that
other work spoils in each direction do not count."""
INPUTS = "inputs.npz"


@dataclass(frozen=True)
class Kind:
    module: str
    mode: str
    backend: str | None = None


BASE = "PyTorch, eager"
KINDS: Mapping[str, Kind] = {
    BASE: Kind("torch_side", "eager"),
    "PyTorch as Twofold trains": Kind("torch_side", "ours"),
    "Keras on PyTorch, eager": Kind("keras_side", "eager", "torch"),
    "Keras on TensorFlow, graph": Kind("keras_side", "graph", "tensorflow"),
    "Keras on TensorFlow, XLA": Kind("keras_side", "compiled", "tensorflow"),
    "PyTorch, torch.compile": Kind("torch_side", "compiled"),
    "Keras on TensorFlow, eager": Kind("keras_side", "eager", "tensorflow"),
}
LIMIT = "TWOFOLD_BENCH_SECONDS"
"""Environment variable: after so many seconds no other side is opened; what was left out is told."""


def run(setting: Setting) -> Report:
    report = Report("frameworks")
    if not environment.place(ENVIRONMENT).exists():
        report.skipped = "there is no TensorFlow: `make frameworks` makes its environment (600 MB), then runs this"
        return report
    began_load = load_average()
    until = time.monotonic() + float(os.environ.get(LIMIT, "inf"))
    cases = {
        case.name: _compare(setting, case, until)
        for case in setting.choose(CASES, QUICK_CASES)
        if time.monotonic() < until
    }
    report.facts |= {"cases": cases, "load_average": [began_load, load_average()], "base": BASE}
    report.versions |= _versions()
    for row in table(cases):
        say("  " + row)
    if not setting.quick:
        from benchmarks.frameworks.figure import draw

        draw(cases, BASE, ROOT / "docs" / "frameworks.svg")
    return report


def _compare(setting: Setting, case: Case, until: float) -> dict[str, Any]:
    """The base stays open and takes turns with one other side at a time, so that no more than two hold memory."""
    folder = setting.work / "frameworks"
    folder.mkdir(exist_ok=True)
    make_inputs(case, folder / INPUTS)
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        base, found[BASE] = open_side(setting, case, BASE, stack)
        assert base is not None, found
        for name in KINDS:
            if time.monotonic() > until:
                found.setdefault(name, {"failed": "left out, for the time was up"})
            elif name != BASE:
                with ExitStack() as own:
                    side, found[name] = open_side(setting, case, name, own)
                    check_agreement({BASE: found[BASE], name: found[name]})
                    if side is not None:
                        found[name] |= _timed(case, base, side)
            say(f"  {case.name}, {name}: {found[name]}")
        base_s = [second for told in found.values() for second in told.pop("base_s", ())] or [_step_s(base)]
        found[BASE] |= {"step_s": base_s, "per_s": case.batch_size / median(base_s), **base.call("memory")}
    found[BASE]["ratio"] = {"median": 1.0, "low": 1.0, "high": 1.0}
    return {"case": case.key, "unit": case.unit, "sides": found}


def _timed(case: Case, base: Side, side: Side) -> dict[str, Any]:
    taken = alternate({"base": partial(_step_s, base), "side": partial(_step_s, side)}, NUM_ROUNDS)
    return {
        "base_s": taken["base"],
        "step_s": taken["side"],
        "per_s": case.batch_size / median(taken["side"]),
        "ratio": ratio(taken["base"], taken["side"]),
        **side.call("memory"),
    }


def open_side(setting: Setting, case: Case, name: str, stack: ExitStack) -> tuple[Side | None, dict[str, Any]]:
    """Start a side, compare its outputs with the base's, and take its first steps; None where these fail, with why."""
    kind, folder = KINDS[name], setting.work / "frameworks"
    variables = {"KERAS_BACKEND": kind.backend, "TF_CPP_MIN_LOG_LEVEL": "3"} if kind.backend else {}
    log = folder / f"{name.replace(' ', '-').replace(',', '')}.log"
    module = f"benchmarks.frameworks.{kind.module}"
    began = time.perf_counter()
    side = stack.enter_context(
        Side(module, (kind.mode,), environment.place(ENVIRONMENT), environment=variables, log=log)
    )
    makes = {"make_weights": True} if name == BASE else {}
    out = folder / ("base.npy" if name == BASE else "side.npy")
    found: dict[str, Any] = {}
    try:
        side.call("open", case=case.key, inputs=str(folder / INPUTS), weights=str(folder / "weights.npz"), **makes)
        found["open_s"] = time.perf_counter() - began
        side.call("forward", out=str(out))
        found["difference"] = relative_difference(np.load(out), np.load(folder / "base.npy"))
        began = time.perf_counter()
        losses = side.call("steps", count=1)["losses"]
        found["first_step_s"] = time.perf_counter() - began
        found["losses"] = losses + side.call("steps", count=2)["losses"]
    except SideError as error:
        return None, {**found, "failed": str(error).strip().splitlines()[-1]}
    return side, found


def _step_s(side: Side) -> float:
    return float(median(side.call("steps", count=NUM_STEPS)["seconds"]))


def relative_difference(ours: Any, base: Any) -> float:
    """Largest difference of two outputs as a share of the largest value of `base`."""
    return float(np.abs(ours - base).max() / np.abs(base).max())


def check_agreement(sides: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises UsageError where outputs, or the losses of the first step, differ: what is timed would not be the same."""
    for name, found in sides.items():
        if "difference" in found and not found["difference"] <= TOLERANCE:
            raise UsageError(
                f"{name}: outputs differ from {BASE}'s by {found['difference']:.2g} of the largest, expected "
                f"{TOLERANCE:g} at most; nothing was timed"
            )
        if "losses" in found and not math.isclose(found["losses"][0], sides[BASE]["losses"][0], rel_tol=1e-3):
            raise UsageError(
                f"{name}: the first loss is {found['losses'][0]}, expected {sides[BASE]['losses'][0]} as {BASE}"
            )


def ratio(base_s: Sequence[float], step_s: Sequence[float]) -> dict[str, Any]:
    """Throughput against the base's: the median over rounds, and its interval (at least 95 %) by order statistics,
    which of fewer than six rounds goes from the least to the most."""
    from scipy.stats import quantile_test

    found = [base / own for base, own in zip(base_s, step_s, strict=True)]
    low, high = quantile_test(found, p=0.5).confidence_interval(0.95)
    low, high = (min(found), max(found)) if math.isnan(low + high) else (low, high)
    return {"median": median(found), "low": float(low), "high": float(high)}


def table(cases: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for name, case in cases.items():
        lines.append(f"{name:<32}{case['unit']:>10}{'/ base':>8}{'95 %':>14}{'peak':>9}{'start':>8}{'first step':>12}")
        for side, found in case["sides"].items():
            if "failed" in found:
                lines.append(f"{side:<32}failed: {found['failed']}")
                continue
            against = found["ratio"]
            interval = f"{against['low']:.2f} to {against['high']:.2f}"
            lines.append(
                f"{side:<32}{found['per_s']:>10.2f}{against['median']:>8.2f}{interval:>14}"
                f"{found['peak_bytes'] / 1e9:>6.1f} GB{found['open_s']:>6.0f} s{found['first_step_s']:>10.1f} s"
            )
    return lines


def _versions() -> dict[str, str]:
    return {
        **{name: environment.pinned(ENVIRONMENT, name) for name in ("tensorflow", "keras")},
        "timm": version("timm"),
    }
