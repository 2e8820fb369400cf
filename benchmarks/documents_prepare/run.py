"""Preparing pages: ours against a plain loop of Pillow's decode and resize on the same files; one core against two; and
reading prepared pages by row.

The loop decodes, makes grey, resizes and drops the page; ours also verifies, hashes, compresses and writes it, all of
which counts. Both are pinned to one core and take turns.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from app.machine import num_cores
from benchmarks import document_data
from benchmarks.common import Report, Setting, alternate, compare, load_average, say
from benchmarks.document_data import IMAGE_SIZE
from benchmarks.side import ONE_THREAD, Side

LOOP_TARGET = 1.25
CORES_TARGET = 1.9
ROWS_PER_S = 4000.0
"""Wanted of a core, from a local disk."""
CORE = 0
OURS = "benchmarks.documents_prepare.ours"


def run(setting: Setting) -> Report:
    pages = document_data.make(setting)
    files = {
        kind: [str(path) for path in paths[: setting.choose(256, 8)]]
        for kind, paths in document_data.make_tiffs(setting, pages).items()
    }
    report = Report("documents_prepare", facts={"num_files": len(files["lzw"]), "size": document_data.SIZE})
    report.facts["mean_bytes"] = {
        kind: sum(Path(path).stat().st_size for path in paths) / len(paths) for kind, paths in files.items()
    }
    for kind, paths in files.items():
        _against_loop(setting, kind, paths, report)
    _read_rows(setting, pages.store, report)
    _on_two_cores(setting, files["lzw"], report)
    report.facts["load_average"] = load_average()
    return report


def _against_loop(setting: Setting, kind: str, paths: list[str], report: Report) -> None:
    store = str(setting.work / "documents-prepare")
    with (
        Side(OURS, core=CORE, environment=ONE_THREAD) as ours,
        Side("benchmarks.documents_prepare.peer", core=CORE, environment=ONE_THREAD) as peer,
    ):
        arguments = {"paths": paths, "image_size": IMAGE_SIZE}
        sides: dict[str, Callable[[], float]] = {
            name: partial(_rate, peer, "read", **arguments, filter_name=name) for name in ("bilinear", "bicubic")
        }
        sides["ours"] = partial(_rate, ours, "prepare", **arguments, store=store)
        rates = alternate(sides, setting.choose(7, 1))
        shares = ours.call("profile", **arguments, store=store)["shares"]
    say(f"  {kind}: " + ", ".join(f"{name} {median(found):.0f} pages/s" for name, found in rates.items()))
    report.facts[f"pages_per_s_{kind}"] = rates
    report.facts[f"shares_{kind}"] = shares
    for name in ("bilinear", "bicubic"):
        report.ratios.append(
            compare(
                f"pages prepared, {kind.upper()} / Pillow {name}", "pages/s a core", rates["ours"], rates[name],
                LOOP_TARGET, "at least", partial(_binds, shares),
            )
        )  # fmt: skip


def _read_rows(setting: Setting, store: Path, report: Report) -> None:
    count = setting.choose(8192, 64)
    with Side(OURS, core=CORE, environment=ONE_THREAD) as ours:
        arguments = {"store": str(store), "count": count, "seed": 0}
        rates = alternate(
            {
                "in order": partial(_rate, ours, "read_rows", **arguments, in_order=True),
                "at random": partial(_rate, ours, "read_rows", **arguments, in_order=False),
            },
            setting.choose(7, 1),
        )
    report.facts["rows_per_s"] = rates
    for name, found in rates.items():
        report.ratios.append(
            compare(f"pages read by row, {name} / 4,000 a second", "pages/s a core", found,
                    [ROWS_PER_S] * len(found), 1.0, "at least", partial(_row_binds, found))
        )  # fmt: skip


def _on_two_cores(setting: Setting, paths: list[str], report: Report) -> None:
    if num_cores() < 2:
        report.facts["two_cores"] = "not measured: there is one core"
        return
    with Side("benchmarks.documents_prepare.ours_on_ray", log=setting.work / "documents-prepare-ray.log") as ours:
        store = str(setting.work / "documents-prepare-ray")
        arguments = {
            "paths": paths[:128],
            "image_size": IMAGE_SIZE,
            "store": store,
            "num_tasks": setting.choose(16, 2),
        }
        rates = alternate(
            {str(num): partial(_rate, ours, "prepare", **arguments, num_cpus=num) for num in (1, 2)},
            setting.choose(3, 1),
        )
    report.facts["pages_per_s_by_cores"] = rates
    report.ratios.append(
        compare("pages prepared, the job on 2 cores / on 1", "pages/s", rates["2"], rates["1"], CORES_TARGET,
                "at least", partial(_core_binds, rates))
    )  # fmt: skip


def _rate(side: Side, command: str, **arguments: Any) -> float:
    return float(side.call(command, **arguments)["pages_per_s"])


def _binds(shares: list[tuple[str, float]]) -> str:
    return "time by function (profiled): " + ", ".join(f"{name} {share:.0%}" for name, share in shares)


def _row_binds(rates: list[float]) -> str:
    return f"{1000 / median(rates):.2f} ms a page: read, checksum and LZ4 of {IMAGE_SIZE} x {IMAGE_SIZE} pixels"


def _core_binds(rates: dict[str, list[float]]) -> str:
    return (
        f"{median(rates['1']):.0f} pages/s on one core and {median(rates['2']):.0f} on two; Ray's own processes and "
        "the job's share the second core"
    )
