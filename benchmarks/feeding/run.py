"""Training patches a second: ours against MONAI's data sets and nnU-Net's loader, and through Ray against without.

Readers run one process a side: ours and nnU-Net's in that process, MONAI's in the one worker of a DataLoader (its
consumer has the other core to itself). Sides take turns, round after round.
"""

import itertools
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from benchmarks import data
from benchmarks.common import Report, Setting, alternate, compare, load_average, say
from benchmarks.peers import nnunet
from benchmarks.prepare.run import nnunet_folder
from benchmarks.side import ONE_THREAD, Side

MONAI_TARGET = 10.0
NNUNET_TARGET = 6.0
RAY_TARGET = 0.85
EDGE = 96
"""Voxels along each axis of a patch."""
NUM_CASES = 8
MONAI_KINDS = ("Dataset", "PersistentDataset", "CacheDataset")
SAMPLES_PER_VOLUME = (1, 4)
"""Patches that MONAI takes of a volume once it is loaded: one as ours and nnU-Net's, or four as its tutorials do, which
is faster and gives less varied batches. The fastest of each counts."""


def run(setting: Setting) -> Report:
    found = data.make(setting)
    cases = list(found.case_ids[: setting.choose(NUM_CASES, 2)])
    report = Report(
        "feeding", facts={"patch": [4, EDGE, EDGE, EDGE], "num_cases": len(cases), "shape_xyz": found.shape}
    )
    _against_peers(setting, found, cases, report)
    _through_ray(setting, found, report)
    report.facts["load_average"] = load_average()
    report.versions["nnunetv2"] = nnunet.version()
    return report


def _against_peers(setting: Setting, found: data.Data, cases: list[str], report: Report) -> None:
    num_monai, num_fast = setting.choose(16, 4), setting.choose(200, 10)
    with (
        _monai(setting, found) as monai,
        _nnunet(setting, found, cases) as peer,
        _ours(setting, found, "local", core=0) as ours,
    ):
        sides = {
            "nnU-Net": _loads(peer, num_patches=num_fast),
            "ours": _loads(ours, num_patches=num_fast),
            "ours, normalised": _loads(ours, "load_normalized", num_patches=num_fast),
        }
        for kind, count in itertools.product(MONAI_KINDS, setting.choose(SAMPLES_PER_VOLUME, (4,))):
            name = f"MONAI {kind}, {count} a volume"
            say(f"opening {name}")
            monai.call("open_loader", name=name, kind=kind, cases=cases, patch=[EDGE] * 3, num_samples=count)
            sides[name] = _loads(monai, name=name, num_patches=num_monai)
        rates = alternate(sides, setting.choose(5, 1))
    for name, values in rates.items():
        say(f"  {name}: {median(values):.2f} patches/s")
    report.facts["patches_per_s"] = rates
    best = [
        max((name for name in rates if name.endswith(f"{num} a volume")), key=lambda name: median(rates[name]))
        for num in setting.choose(SAMPLES_PER_VOLUME, (4,))
    ]
    for name, target in (*((name, MONAI_TARGET) for name in best), ("nnU-Net", NNUNET_TARGET)):
        report.ratios.append(
            compare(
                f"feeding / {name}", "patches/s a core", rates["ours"], rates[name], target, "at least",
                lambda: _binds(median(rates["ours"])),
            )
        )  # fmt: skip


def _through_ray(setting: Setting, found: data.Data, report: Report) -> None:
    """One reading process with Ray and without, and two; steady state."""
    num_rounds, duration_s, warmup_s = setting.choose(3, 1), setting.choose(15.0, 3.0), setting.choose(8.0, 2.0)
    with _ours(setting, found, "plain") as plain, _ours(setting, found, "ray") as ray:
        ray.call("start_ray")
        for num in (1, 2):

            def without_ray(num: int = num) -> float:
                return _rate(plain.call("load_in_processes", num_processes=num, duration_s=duration_s))

            def with_ray(num: int = num) -> float:
                answer = ray.call("load_through_ray", num_tasks=num, warmup_s=warmup_s, duration_s=duration_s)
                return _rate(answer)

            rates = alternate({"without Ray": without_ray, "Ray Data": with_ray}, num_rounds, num_warmup_rounds=0)
            say(f"  {num} reading process(es): {rates}")
            report.facts[f"patches_per_s_{num}_processes"] = rates
            name = f"Ray Data / plain processes, {num} reading"
            binds = partial(_ray_binds, num, rates)
            report.ratios.append(
                compare(name, "patches/s", rates["Ray Data"], rates["without Ray"], RAY_TARGET, "at least", binds)
            )


def _monai(setting: Setting, found: data.Data) -> Side:
    cache = setting.work / "monai-cache"
    log = setting.work / "monai-feeding.log"
    return Side("benchmarks.feeding.peer", (str(found.source), str(cache)), log=log)


def _nnunet(setting: Setting, found: data.Data, cases: list[str]) -> Side:
    """Its loader over cases that it has preprocessed itself."""
    say("nnU-Net: preprocessing what it reads")
    options: dict[str, Any] = {"core": 0, "environment": ONE_THREAD, "log": setting.work / "nnunet-feeding.log"}
    side = Side("benchmarks.peers.nnunet_side", (str(nnunet_folder(setting)),), nnunet.python(), **options)
    side.call("convert", source=str(found.source), cases=[*cases, found.case_ids[len(cases)]])
    side.call("plan")
    for case in cases:
        side.call("preprocess", case=case)
    side.call("open_loader", patch=[EDGE] * 3, batch_size=2)
    return side


def _ours(setting: Setting, found: data.Data, name: str, core: int | None = None) -> Side:
    """Pinned to a core, it keeps to one thread as well."""
    environment = ONE_THREAD if core is not None else None
    log = setting.work / f"feeding-ours-{name}.log"
    return Side("benchmarks.feeding.ours", (str(found.store), str(EDGE)), core=core, environment=environment, log=log)


def _loads(side: Side, command: str = "load", **arguments: Any) -> Callable[[], float]:
    return lambda: _rate(side.call(command, **arguments))


def _rate(answer: dict[str, Any]) -> float:
    return float(answer["patches_per_s"])


def _binds(ours: float) -> str:
    return f"a read of ours takes {1000 / ours:.1f} ms of one core, nearly all of it inflating the chunks it touches"


def _ray_binds(num: int, rates: dict[str, list[float]]) -> str:
    extra_ms = 1000 * num * (1 / median(rates["Ray Data"]) - 1 / median(rates["without Ray"]))
    return (
        f"Ray Data adds {extra_ms:.1f} ms a patch and process: copies into and out of the object store, and its own "
        "processes on the same cores"
    )
