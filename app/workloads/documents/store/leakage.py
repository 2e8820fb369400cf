"""Pages that must not be learnt from: those that another set tests on, and near-duplicates of the own test pages.

`excluded.parquet` (id, reason) lists pages of a store that are also in another one. `duplicates.parquet` (partition,
split, page_id, train_id, distance) names for each validation and test page the nearest training page within reach;
partition is -1 where the data set has its own split. (Older stores have test pages only, as test_id.)
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from app.workloads.documents.store.hashing import MAX_DISTANCE, nearest

if TYPE_CHECKING:
    import pyarrow as pa

EXCLUDED_NAME = "excluded.parquet"
DUPLICATES_NAME = "duplicates.parquet"
COMPARED_WITH = b"compared_with"
"""Key in the metadata of excluded.parquet: the other store."""

NO_PARTITION = -1

Int64Array = npt.NDArray[np.int64]


def find_shared(pages: "pa.Table", others: "pa.Table", max_distance: int = MAX_DISTANCE) -> list[tuple[str, str]]:
    """Ids of `pages` that are in `others` too, by document id or perceptual hash, each with the reason."""
    other_ids = others["id"].to_pylist()
    by_document = dict(zip(others["document_id"].to_pylist(), other_ids, strict=True))
    found, distance = nearest(pages["phash"].to_numpy(), others["phash"].to_numpy(), max_distance)
    shared = []
    rows = zip(
        pages["id"].to_pylist(), pages["document_id"].to_pylist(), found.tolist(), distance.tolist(), strict=True
    )
    for page_id, document, other, bits in rows:
        if document in by_document:
            shared.append((page_id, f"the document {document} is there as {by_document[document]}"))
        elif other >= 0:
            shared.append((page_id, f"looks like {other_ids[other]} ({bits} of 64 bits differ)"))
    return shared


def find_duplicates(
    ids: Sequence[str], hashes: Int64Array, train: Int64Array, held_out: Int64Array, max_distance: int = MAX_DISTANCE
) -> list[tuple[str, str, int]]:
    """Id, id of the nearest training page and its distance, for the rows of `held_out` that have one within reach."""
    found, distance = nearest(hashes[held_out], hashes[train], max_distance)
    return [(ids[held_out[i]], ids[train[found[i]]], int(distance[i])) for i in np.flatnonzero(found >= 0).tolist()]


def excluded_table(shared: Sequence[tuple[str, str]], compared_with: str) -> "pa.Table":
    import pyarrow as pa

    names = pa.schema([("id", pa.string()), ("reason", pa.string())], {COMPARED_WITH: compared_with.encode()})
    return pa.Table.from_arrays([pa.array([s[i] for s in shared], pa.string()) for i in range(2)], schema=names)


def duplicates_table(duplicates: Sequence[tuple[int, str, str, str, int]]) -> "pa.Table":
    import pyarrow as pa

    strings = [(name, pa.string()) for name in ("split", "page_id", "train_id")]
    kinds = [("partition", pa.int64()), *strings, ("distance", pa.int64())]
    columns = [pa.array([d[i] for d in duplicates], kind) for i, (_, kind) in enumerate(kinds)]
    return pa.Table.from_arrays(columns, schema=pa.schema(kinds))
