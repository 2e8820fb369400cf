"""The comparison: outputs must agree first; then the sides take turns, and each is held against eager PyTorch."""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from app.errors import UsageError
from app.intervals import mean_interval
from benchmarks.common import ROOT, Report, Setting, alternate, load_average, say
from benchmarks.frameworks.cases import Case, make_inputs
from benchmarks.peers import environment
from benchmarks.side import Side, SideError

ENVIRONMENT = "frameworks"
CASES = (
    Case("efficientnet_b0", (224, 224), 16),
    Case("efficientnet_b0", (384, 384), 8),
    Case("unet3d", (96, 96, 96), 2),
)
QUICK_CASES = (Case("efficientnet_b0", (64, 64), 4), Case("unet3d", (16, 16, 16), 2))
TOLERANCE = 1e-4
"""Largest difference of outputs, as a share of the largest output."""
NUM_ROUNDS, NUM_STEPS = 6, 2
"""Rounds that count, and steps a round."""


@dataclass(frozen=True)
class Kind:
    module: str
    mode: str
    backend: str | None = None


BASE = "PyTorch, eager"
KINDS: Mapping[str, Kind] = {
    BASE: Kind("torch_side", "eager"),
    "PyTorch, torch.compile": Kind("torch_side", "compiled"),
    "PyTorch as Twofold trains": Kind("torch_side", "ours"),
    "Keras on PyTorch, eager": Kind("keras_side", "eager", "torch"),
    "Keras on TensorFlow, eager": Kind("keras_side", "eager", "tensorflow"),
    "Keras on TensorFlow, graph": Kind("keras_side", "graph", "tensorflow"),
    "Keras on TensorFlow, XLA": Kind("keras_side", "compiled", "tensorflow"),
}


def run(setting: Setting) -> Report:
    report = Report("frameworks")
    if not environment.place(ENVIRONMENT).exists():
        report.skipped = "there is no TensorFlow: `make frameworks` makes its environment (600 MB), then runs this"
        return report
    began_load = load_average()
    cases = {case.name: _compare(setting, case) for case in setting.choose(CASES, QUICK_CASES)}
    report.facts |= {"cases": cases, "load_average": [began_load, load_average()], "base": BASE}
    report.versions |= _versions()
    for row in table(cases):
        say("  " + row)
    if not setting.quick:
        from benchmarks.frameworks.figure import draw

        draw(cases, BASE, ROOT / "docs" / "frameworks.svg")
    return report


def _compare(setting: Setting, case: Case) -> dict[str, Any]:
    folder = setting.work / "frameworks"
    folder.mkdir(exist_ok=True)
    inputs, weights = folder / "inputs.npz", folder / "weights.npz"
    make_inputs(case, inputs)
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        sides: dict[str, Side] = {}
        for name in KINDS:
            opened = _open(setting, case, name, stack, inputs, weights)
            found[name] = opened
            if isinstance(side := opened.pop("side", None), Side):
                sides[name] = side
            say(f"  {case.name}, {name}: {opened}")
        check_agreement(found)
        taken = alternate({name: lambda side=side: _step_s(side) for name, side in sides.items()}, NUM_ROUNDS)  # type: ignore[misc]
        for name, side in sides.items():
            found[name] |= {
                "step_s": taken[name],
                "per_s": case.batch_size / median(taken[name]),
                **side.call("memory"),
            }
            found[name]["ratio"] = ratio(taken[BASE], taken[name])
    return {"case": case.key, "unit": case.unit, "sides": found}


def _open(setting: Setting, case: Case, name: str, stack: ExitStack, inputs: Path, weights: Path) -> dict[str, Any]:
    """Start a side, compare its outputs with the base's, and take its first steps; what fails there is told."""
    kind = KINDS[name]
    variables = {"KERAS_BACKEND": kind.backend, "TF_CPP_MIN_LOG_LEVEL": "3"} if kind.backend else {}
    log = setting.work / "frameworks" / f"{name.replace(' ', '-').replace(',', '')}.log"
    began = time.perf_counter()
    side = stack.enter_context(
        Side(
            f"benchmarks.frameworks.{kind.module}",
            (kind.mode,),
            environment.place(ENVIRONMENT),
            environment=variables,
            log=log,
        )
    )
    makes = {"make_weights": True} if name == BASE else {}
    side.call("open", case=case.key, inputs=str(inputs), weights=str(weights), **makes)
    opened_s = time.perf_counter() - began
    out = setting.work / "frameworks" / f"{kind.module}-{kind.mode}-{kind.backend}.npy"
    side.call("forward", out=str(out))
    base = setting.work / "frameworks" / f"{KINDS[BASE].module}-{KINDS[BASE].mode}-None.npy"
    difference = relative_difference(np.load(out), np.load(base))
    began = time.perf_counter()
    try:
        first = side.call("steps", count=1)
    except SideError as error:
        return {"difference": difference, "failed": str(error).strip().splitlines()[-1]}
    first_step_s = time.perf_counter() - began
    losses = first["losses"] + side.call("steps", count=2)["losses"]
    return {
        "side": side,
        "open_s": opened_s,
        "first_step_s": first_step_s,
        "difference": difference,
        "losses": losses,
    }


def _step_s(side: Side) -> float:
    return float(median(side.call("steps", count=NUM_STEPS)["seconds"]))


def relative_difference(ours: Any, base: Any) -> float:
    """Largest difference of two outputs as a share of the largest value of `base`."""
    return float(np.abs(ours - base).max() / np.abs(base).max())


def check_agreement(sides: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises UsageError where outputs, or the losses of the first step, differ: what is timed would not be the same."""
    for name, found in sides.items():
        if not found["difference"] <= TOLERANCE:
            raise UsageError(
                f"{name}: outputs differ from {BASE}'s by {found['difference']:.2g} of the largest, expected "
                f"{TOLERANCE:g} at most; nothing was timed"
            )
        if "losses" in found and not math.isclose(found["losses"][0], sides[BASE]["losses"][0], rel_tol=1e-3):
            raise UsageError(
                f"{name}: the first loss is {found['losses'][0]}, expected {sides[BASE]['losses'][0]} as {BASE}"
            )


def ratio(base_s: Sequence[float], step_s: Sequence[float]) -> dict[str, Any]:
    """Throughput against the base's: geometric mean over rounds, and Student's interval of it (95 %)."""
    logs = [math.log(base / own) for base, own in zip(base_s, step_s, strict=True)]
    low, high = mean_interval(logs) if len(logs) > 1 else (logs[0], logs[0])
    return {"mean": math.exp(sum(logs) / len(logs)), "low": math.exp(low), "high": math.exp(high)}


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
                f"{side:<32}{found['per_s']:>10.2f}{against['mean']:>8.2f}{interval:>14}"
                f"{found['peak_bytes'] / 1e9:>6.1f} GB{found['open_s']:>6.0f} s{found['first_step_s']:>10.1f} s"
            )
    return lines


def _versions() -> dict[str, str]:
    return {
        **{name: environment.pinned(ENVIRONMENT, name) for name in ("tensorflow", "keras")},
        "timm": version("timm"),
    }
