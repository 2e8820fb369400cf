"""OCR: our job on two cores against one, and against pytesseract called as its documentation shows it.

All read the same pages. Pages a second of the job leave Ray's start out, once some seconds.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from app.machine import num_cores
from benchmarks import document_data
from benchmarks.common import Report, Setting, alternate, compare, load_average, say
from benchmarks.side import Side

CORES_TARGET = 1.85
AS_IS_TARGET = 11.0
NUM_PAGES = 6
REPEATS = 4
"""Ours reads the pages so many times a round, each in a task of its own: what the last ones leave a core idle counts
for less, as in a set of thousands."""


def run(setting: Setting) -> Report:
    from app.workloads.documents.ocr.engines import OcrOptions, check_engine

    check_engine(OcrOptions())
    pages = document_data.make(setting)
    paths = [str(path) for path in document_data.make_tiffs(setting, pages)["lzw"]]
    paths = paths[:: max(1, len(paths) // setting.choose(NUM_PAGES, 2))][: setting.choose(NUM_PAGES, 2)]
    source, names = str(Path(paths[0]).parent), [Path(path).name for path in paths]
    own = {"source": source, "names": names * setting.choose(REPEATS, 1)}
    as_is: list[str] = []
    with (
        Side("benchmarks.documents_prepare.ours_on_ray", log=setting.work / "documents-ocr.log") as ours,
        Side("benchmarks.documents_ocr.peer") as peer,
    ):

        def call_as_is() -> float:
            answer = peer.call("read_texts", paths=paths)
            as_is[:] = answer["texts"]
            return float(answer["pages_per_s"])

        sides: dict[str, Callable[[], float]] = {
            f"{num} cores": partial(_rate, ours, **own, num_pages_per_task=1, num_cpus=num) for num in (1, 2)
        }
        _rate(ours, source=source, names=names[:2], num_pages_per_task=1, num_cpus=2)  # Ray starts
        rates = alternate({"as is": call_as_is, **sides}, setting.choose(3, 1), num_warmup_rounds=0)
        texts = ours.call("texts", source=source, names=names)["texts"]
    say(f"  {rates}")
    facts = {
        "pages_per_s": rates,
        "num_pages": len(paths),
        "words_in_common": [words_in_common(a, b) for a, b in zip(texts, as_is, strict=True)],
        "omp_thread_limit_of_peer": os.environ.get("OMP_THREAD_LIMIT"),
        "load_average": load_average(),
    }
    return Report("documents_ocr", ratios=_ratios(rates), facts=facts)


def words_in_common(ours: str, theirs: str) -> float | None:
    """Share of all different words of two readings that both have; None where both are empty."""
    a, b = set(ours.split()), set(theirs.split())
    return len(a & b) / len(a | b) if a or b else None


def _ratios(rates: dict[str, list[float]]) -> list[Any]:
    two, one, as_is = rates["2 cores"], rates["1 cores"], rates["as is"]
    return [
        compare("OCR on 2 cores / on 1", "pages/s", two, one, CORES_TARGET, "at least", partial(_core_binds, two, one)),
        compare("OCR on 2 cores / pytesseract as is", "pages/s", two, as_is, AS_IS_TARGET, "at least",
                partial(_as_is_binds, two, as_is)),
    ]  # fmt: skip


def _core_binds(two: list[float], one: list[float]) -> str:
    return (
        f"{median(two):.2f} pages/s on two cores, {median(one):.2f} on one; Tesseract runs one thread a page, so that "
        f"the rest is these {num_cores()} cores' shared caches, Ray's processes, and the page that ends last"
    )


def _as_is_binds(two: list[float], as_is: list[float]) -> str:
    return (
        f"as is {median(as_is):.2f} pages/s: what its threads lose depends on the number of cores; ours "
        f"{median(two):.2f} pages/s"
    )


def _rate(side: Side, **arguments: Any) -> float:
    return float(side.call("read_texts", **arguments)["pages_per_s"])
