"""What all benchmarks share: spreads, ratios with their targets, the report as JSON and as a table."""

import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeVar

from app.machine import num_cores
from app.records import versions

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "benchmarks" / ".work"
RESULTS = ROOT / "benchmarks" / "results"

PACKAGES = ("twofold", "torch", "ray", "monai", "numpy", "blosc2", "nibabel", "isal", "pyarrow")
CPU_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")
"""Flags of /proc/cpuinfo that decide how fast fp32 and bf16 convolutions are."""

Direction = Literal["at most", "at least"]
T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """How a benchmark is run."""

    quick: bool
    """Small sizes: shows that everything works; its numbers say nothing."""
    work: Path
    """Folder for data and runs; kept between runs so that data is made once."""

    def choose(self, full: T, quick: T) -> T:
        return quick if self.quick else full


@dataclass(frozen=True)
class Spread:
    """A quantity measured over several rounds, warm-up left out."""

    median: float
    min: float
    max: float
    values: tuple[float, ...]

    @staticmethod
    def of(values: Iterable[float]) -> "Spread":
        """Raises ValueError without values."""
        found = tuple(float(v) for v in values)
        if not found:
            raise ValueError("no values: expected at least one round")
        return Spread(median(found), min(found), max(found), found)


@dataclass(frozen=True)
class Ratio:
    """Ours against a peer or a limit, with the target it is held to."""

    name: str
    unit: str
    """Unit of `ours` and `peer`."""
    ours: Spread
    peer: Spread
    ratio: Spread
    """Ratio of each round's neighbours in time."""
    target: float
    direction: Direction
    what_binds: str | None = None
    """Where the target is missed: what stands in the way, from measurement."""

    @property
    def met(self) -> bool:
        return self.ratio.median <= self.target if self.direction == "at most" else self.ratio.median >= self.target

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def compare(
    name: str,
    unit: str,
    ours: Sequence[float],
    peer: Sequence[float],
    target: float,
    direction: Direction,
    what_binds: Callable[[], str] | None = None,
) -> Ratio:
    """The ratio ours / peer, round by round; `what_binds` is asked only where the target is missed.

    Raises:
        ValueError: not the same number of rounds, or a peer's zero.
    """
    if len(ours) != len(peer) or any(value == 0 for value in peer):
        raise ValueError(
            f"{name}: got {len(ours)} rounds of ours and {len(peer)} of the peer ({list(peer)}); expected pairs"
        )
    ratio = Spread.of(a / b for a, b in zip(ours, peer, strict=True))
    found = Ratio(name, unit, Spread.of(ours), Spread.of(peer), ratio, target, direction)
    if found.met or what_binds is None:
        return found
    return Ratio(**{**vars(found), "what_binds": what_binds()})


@dataclass
class Report:
    """What one benchmark found."""

    name: str
    ratios: list[Ratio] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    """Sizes, settings and everything else that was measured; plain values."""
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of peers, beside our own."""
    skipped: str | None = None
    """Why there is nothing to report here."""

    def to_dict(self, quick: bool) -> dict[str, Any]:
        return {
            "benchmark": self.name,
            "quick": quick,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
            "skipped": self.skipped,
            "ratios": [ratio.to_dict() for ratio in self.ratios],
            "facts": self.facts,
            "versions": {**versions(PACKAGES), **self.versions},
            "host": host(),
        }


def write_json(path: Path, content: Any) -> None:
    """Whole or not at all; paths of this machine begin at the repository."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    with temporary.open("w") as file:
        file.write(json.dumps(content, indent=1).replace(f"{ROOT}/", ""))
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def host() -> dict[str, Any]:
    """The machine, by what decides speed; no names."""
    cpu = cpu_facts(Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else "")
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"system": platform.system(), "num_cores": num_cores(), "memory_bytes": memory_bytes, **cpu}


def cpu_facts(cpuinfo: str) -> dict[str, Any]:
    """Model and features of the text of /proc/cpuinfo; a feature that is not listed is False."""
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    facts = {name.strip(): value.strip() for name, _, value in lines}
    flags = set(facts.get("flags", "").split())
    return {"cpu": facts.get("model name"), "cpu_features": {name: name in flags for name in CPU_FEATURES}}


def load_average() -> float:
    """Runnable processes over the last minute: shows in the JSON whether the machine was quiet."""
    return os.getloadavg()[0]


def alternate(
    sides: Mapping[str, Callable[[], float]], num_rounds: int, num_warmup_rounds: int = 1
) -> dict[str, list[float]]:
    """Measure the sides in turn, the order reversed every other round; warm-up rounds are left out."""
    measured: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for round_ in range(num_warmup_rounds + num_rounds):
        for name in names if round_ % 2 == 0 else reversed(names):
            value = sides[name]()
            if round_ >= num_warmup_rounds:
                measured[name].append(value)
    return measured


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def say(text: str) -> None:
    print(text, flush=True)
