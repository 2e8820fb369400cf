"""A prepared store opened for reading: its cases, whole or by the patch.

Locally a patch is read from the parts of the frame that it touches. From an object store the whole frame is fetched
once (one request; measured 36 ms at 20 ms latency against 160-400 ms chunk by chunk) and kept in a bounded cache.
"""

import threading
import zlib
from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

from app.data import files
from app.data.store.manifest import MANIFEST_NAME, STORE_NAME, read_claim, read_manifest
from app.errors import DataError
from app.strict_json import shown
from app.workloads.volumes.spacing import Spacing
from app.workloads.volumes.store.cases import Case

Int16Array = npt.NDArray[np.int16]

MAX_OPEN_FRAMES = 512
"""Local frames kept open by a process; one costs its index and some buffers."""
MAX_FETCHED_BYTES = 2**30
"""Size of the remote frames kept in the memory of a process; assumed: about 150 cases of full size."""


class VolumeStore:
    """The manifest of a store and access to its voxels. Pickles to little; open frames stay with the process.

    Raises:
        DataError: on opening when the store is missing, unfinished or damaged; on reading when a frame is.
    """

    def __init__(self, root: str) -> None:
        self.root = str(root)
        where = files.join(self.root, MANIFEST_NAME)
        self.cases = [Case.from_row(row, where) for row in read_manifest(self.root)]
        self._by_id = {case.id: case for case in self.cases}

    def split(self, name: str) -> list[Case]:
        """The cases of a split, by id."""
        return sorted((c for c in self.cases if c.split == name), key=lambda c: c.id)

    def case(self, case_id: str) -> Case:
        """Raises DataError when the store has no such case."""
        if case_id not in self._by_id:
            raise DataError(f"the store {self.root} has no case {case_id!r}; it has {len(self.cases)} cases")
        return self._by_id[case_id]

    def read_case(self, case: Case) -> tuple[Int16Array, npt.NDArray[np.uint8] | None]:
        """The stored box: image [M, D, H, W] as stored, label [D, H, W] in internal codes. Its checksum is verified."""
        voxels = _decode(_fetch_verified(self._path(case), case), self._path(case))[:]
        label = voxels[case.num_modalities].astype(np.uint8) if case.has_label else None
        return voxels[: case.num_modalities], label

    def read_patch(self, case: Case, start: tuple[int, int, int], shape: tuple[int, int, int]) -> Int16Array:
        """Voxels [M or M + 1, D, H, W] from `start` (z, y, x in the stored box); zeros where the patch leaves the box.

        The label, where the case has one, is the last channel.
        """
        frame = _FRAMES.get(self._path(case), case)
        inside = [(max(a, 0), min(a + n, size)) for a, n, size in zip(start, shape, case.crop_shape, strict=True)]
        num_channels = case.num_modalities + case.has_label
        if any(low >= high for low, high in inside):
            return np.zeros((num_channels, *shape), np.int16)
        try:
            part: Int16Array = frame[(slice(0, num_channels), *(slice(low, high) for low, high in inside))]
        except (RuntimeError, ValueError, OSError) as error:
            raise DataError(f"{self._path(case)} cannot be read: {error}; run jobs/prepare.py again") from error
        if part.shape[1:] == tuple(shape):
            return part
        patch = np.zeros((num_channels, *shape), np.int16)
        place = (slice(low - a, high - a) for a, (low, high) in zip(start, inside, strict=True))
        patch[(slice(None), *place)] = part
        return patch

    def _path(self, case: Case) -> str:
        return files.join(self.root, case.file)


def store_labels(root: str) -> str | None:
    """What the codes of its source's labels mean, as its store.json says; None where there is none.

    Raises:
        DataError: it cannot be read.
    """
    path = files.join(root, STORE_NAME)
    found = read_claim(root).get("labels") if files.exists(path) else None
    return found if isinstance(found, str) else None


def store_spacing(store: str) -> Spacing | None:
    """The training's voxel size of a store, z, y, x; None where it has none of its own.

    Raises:
        DataError: the store is missing, or its store.json damaged.
    """
    path = files.join(store, STORE_NAME)
    if not files.exists(path):
        raise DataError(f"the prepared store {store} does not exist (no {STORE_NAME}): run jobs/prepare.py with it")
    spacing = read_claim(store).get("spacing_mm")
    if spacing is None:
        return None
    numbers = [step for step in spacing if isinstance(step, int | float)] if isinstance(spacing, list) else []
    if len(numbers) != 3 or numbers != spacing or min(numbers) <= 0:
        raise DataError(f"{path} is damaged: spacing_mm: got {shown(spacing)}, expected three numbers above 0 or null")
    return numbers[0], numbers[1], numbers[2]


class _Frames:
    """Frames of this process, opened and verified once each, least recently used ones closed first."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._sizes: dict[tuple[str, int], int] = {}
        self._verified: set[tuple[str, int]] = set()
        self._fetched_bytes = 0
        self._lock = threading.Lock()

    def get(self, path: str, case: Case) -> Any:
        key = (path, case.crc32)
        with self._lock:
            frame = self._open.get(key)
            if frame is not None:
                self._open.move_to_end(key)
                return frame
        frame = self._open_frame(path, case, key)
        with self._lock:
            if key not in self._open:  # another thread may have been faster
                self._sizes[key] = case.num_bytes if files.is_url(path) else 0
                self._fetched_bytes += self._sizes[key]
            self._open[key] = frame
            self._close_surplus()
        return frame

    def _close_surplus(self) -> None:
        while len(self._open) > 1 and (len(self._open) > MAX_OPEN_FRAMES or self._fetched_bytes > MAX_FETCHED_BYTES):
            key, _ = self._open.popitem(last=False)
            self._fetched_bytes -= self._sizes.pop(key)

    def _open_frame(self, path: str, case: Case, key: tuple[str, int]) -> Any:
        import blosc2

        if files.is_url(path):
            return _decode(_fetch_verified(path, case), path)
        if key not in self._verified:  # blosc2 has no checksums: a damaged frame would give wrong voxels, silently
            _fetch_verified(path, case)
            self._verified.add(key)
        try:
            return blosc2.open(path, mode="r", dparams=blosc2.DParams(nthreads=1))
        except (RuntimeError, ValueError, OSError) as error:
            raise DataError(f"{path} cannot be opened: {error}; run jobs/prepare.py again") from error


def _fetch_verified(path: str, case: Case) -> bytes:
    content = files.read_bytes(path)
    if len(content) != case.num_bytes or zlib.crc32(content) != case.crc32:
        raise DataError(
            f"{path} is damaged: {len(content)} bytes with checksum {zlib.crc32(content):08x}, the manifest has "
            f"{case.num_bytes} bytes with {case.crc32:08x}; delete it and run jobs/prepare.py again"
        )
    return content


def _decode(frame: bytes, path: str) -> Any:
    import blosc2

    try:
        array = blosc2.ndarray_from_cframe(frame)
    except (RuntimeError, ValueError) as error:
        raise DataError(f"{path} is not a frame: {error}; run jobs/prepare.py again") from error
    array.schunk.dparams = blosc2.DParams(nthreads=1)
    return array


_FRAMES = _Frames()
