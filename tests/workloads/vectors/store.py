"""From CSV files to a prepared store, and from a model to a CSV file."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from app.command_line import absolute
from app.console import say
from app.data import files
from app.data.samples.splits import seeded_split
from app.data.store.manifest import claim_store, read_manifest, write_manifest
from app.data.store.quarantine import Quarantined, check_bad_share, say_bad, write_quarantine
from app.data.tables import csv_rows
from app.errors import DataError
from app.workloads.declaration import Engine
from vectors.declaration import PredictVectors, PrepareVectors

FloatArray = npt.NDArray[np.float32]


def prepare(arguments: PrepareVectors) -> None:
    """Verify every row, split the good ones, write the manifest last: it says that the store is complete."""
    source, store = absolute(arguments.source), absolute(arguments.store)
    good, bad = read_rows(source)
    claim_store(store, {"workload": "vectors", "seed": arguments.seed})
    say_bad(bad, 0)
    write_quarantine(store, bad)
    check_bad_share(len(good), bad, arguments.max_bad_fraction, store)
    splits = seeded_split([row["id"] for row in good], arguments.seed)
    write_manifest(store, [{**row, "split": splits[row["id"]]} for row in good])
    say(f"{arguments.store}: {len(good)} rows, {len(bad)} quarantined")


def read_rows(path: str) -> tuple[list[dict[str, Any]], list[Quarantined]]:
    """Rows {"id", "features", "label"} of a file, and those that hold something else than finite numbers. The label of
    a file without the column y is None.

    Raises:
        DataError: the file has no column `id`.
    """
    (_, header), *rows = csv_rows(files.read_bytes(path))
    if "id" not in header:
        raise DataError(f"{path} has the columns {header}, expected id, features, and y to learn from")
    good, bad = [], []
    for line, row in rows:
        cells = dict(zip(header, row, strict=False))
        name, label = cells.pop("id", f"line {line}"), cells.pop("y", None)
        try:
            if len(row) != len(header):
                raise ValueError(f"{len(row)} cells, expected {len(header)}")
            numbers = [float(cell) for cell in cells.values()]
            y = None if label is None else float(label)
            if not all(map(math.isfinite, [*numbers, y or 0.0])):
                raise ValueError("a value is not finite")
        except ValueError as error:
            bad.append(Quarantined(name, f"{path}:{line}", str(error)))
        else:
            good.append({"id": name, "features": numbers, "label": y})
    return good, bad


@lru_cache(maxsize=8)
def open_split(store: str, split: str) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """ids, features [N, F] and labels [N, 1] of a split, in the order of the ids. Raises DataError when it is empty."""
    rows = sorted((row for row in read_manifest(store) if row["split"] == split), key=lambda row: row["id"])
    if not rows:
        raise DataError(f"the store {store} has no row in its {split!r} split")
    features = np.array([row["features"] for row in rows], np.float32)
    return tuple(row["id"] for row in rows), features, np.array([[row["label"]] for row in rows], np.float32)


def predict(arguments: PredictVectors, engine: Engine) -> None:
    """Write out/predictions.csv; a block of rows is one item for a worker."""
    model = absolute(arguments.model)
    engine.open_model(model, "vectors")  # says what is wrong with it before any file is read
    lines, num_bad = ["id,y"], 0
    inputs = [absolute(path) for path in arguments.input]
    for good, bad in map(read_rows, inputs):
        say_bad(bad, num_bad)
        num_bad += len(bad)
        for found in engine.map_with_model(model, predict_rows, [good], reads=inputs):
            lines += [f"{row['id']},{y:.6g}" for row, y in zip(good, found, strict=True)]
    files.write_bytes_atomic(files.join(absolute(str(arguments.out)), "predictions.csv"), "\n".join(lines).encode())
    say(f"{arguments.out}: {len(lines) - 1} rows predicted, {num_bad} left out")


def predict_rows(model: Any, rows: Sequence[dict[str, Any]]) -> list[float]:
    """What the model says of each row; runs where the model is."""
    import torch

    features = torch.tensor([row["features"] for row in rows], device=model.device)
    return [float(y) for y in model.network(features)[:, 0]]
