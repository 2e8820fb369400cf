"""Our preparation of one case after the other, and the parts of it that nothing can avoid, each in one process."""

import cProfile
import pstats
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import seconds
from benchmarks.side import serve

GZIP = 31
"""zlib's wbits for a gzip wrapper with the largest window."""


class Preparation:
    def __init__(self, source: str, store: str) -> None:
        from app.workloads.brats.source.contents import detect_layout

        self._layout, cases = detect_layout(source)
        self._cases = {case.id: case for case in cases}
        self._store = store

    def prepare(self, case: str) -> dict[str, Any]:
        """Verify, reorient, crop, measure, write: all that stands between a raw case and training."""
        from app.workloads.brats.labels import BRAIN, FILE_CODES
        from app.workloads.volumes.store.cases import Case
        from app.workloads.volumes.store.prepare import CaseTask, prepare_case

        began = time.perf_counter()
        row = prepare_case(
            CaseTask(self._cases[case], self._layout, "train", self._store, FILE_CODES[self._layout], BRAIN)
        )
        elapsed = time.perf_counter() - began
        assert isinstance(row, Case), row
        return {"seconds": elapsed, "num_bytes": row.num_bytes}

    def profile(self, case: str) -> dict[str, Any]:
        """Shares of the time of one preparation by function, the largest first."""
        profiler = cProfile.Profile()
        profiler.runcall(self.prepare, case)
        stats: Any = pstats.Stats(profiler)
        total = stats.total_tt
        rows = [(own, f"{Path(file).name}:{name}") for (file, _, name), (_, _, own, _, _) in stats.stats.items()]
        return {"shares": [[name, own / total] for own, name in sorted(rows, reverse=True)[:6]]}


class Limits:
    """The least that any preparation of these files must do: inflate them, and compress what is kept."""

    def __init__(self, source: str, store: str) -> None:
        self._preparation = Preparation(source, store)
        self._source = Path(source)
        self._store = Path(store)

    def limit(self, case: str) -> dict[str, Any]:
        """Seconds to inflate image and label with the fastest inflater, and to compress the prepared voxels."""
        from app.workloads.volumes.store.prepare import encode

        contents = [(self._source / folder / f"{case}.nii.gz").read_bytes() for folder in ("imagesTr", "labelsTr")]
        voxels = self._voxels(case)
        inflate_s = sum(seconds(partial(_inflate, content)) for content in contents)
        compress_s = seconds(lambda: encode(voxels))
        return {"inflate_s": inflate_s, "compress_s": compress_s, "seconds": inflate_s + compress_s}

    def _voxels(self, case: str) -> np.ndarray[Any, np.dtype[np.int16]]:
        """What our preparation keeps of the case."""
        import blosc2

        path = self._store / "cases" / f"{case}.b2nd"
        if not path.exists():
            self._preparation.prepare(case)
        voxels: np.ndarray[Any, np.dtype[np.int16]] = blosc2.open(str(path), mode="r")[:]
        return voxels


def _inflate(content: bytes) -> int:
    """Bytes out; one call over the whole file, its checksum verified."""
    from isal import isal_zlib

    return len(isal_zlib.decompress(content, GZIP))


if __name__ == "__main__":
    kind, *arguments = sys.argv[1:]
    if kind == "ours":
        preparation = Preparation(*arguments)
        serve({"prepare": preparation.prepare, "profile": preparation.profile})
    else:
        serve({"limit": Limits(*arguments).limit})
