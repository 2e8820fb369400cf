"""A store of a few pages whose text tells their class, and a BERT of two layers for it; no network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from app.workloads.documents.ocr.texts import PageText, read_texts, write_part
from app.workloads.documents.store import prepared as documents_store
from app.workloads.documents.store.prepared import StoreOptions
from app.workloads.documents.text import tokens
from app.workloads.documents.text.tiny_bert import SmallBert, make_small_bert

CLASSES = ("letter", "invoice", "memo")
WORDS = {"letter": "dear sir yours sincerely", "invoice": "total amount due net", "memo": "to from subject staff"}
COMMON = "the of and a in page company report meeting please find with this that by"
NUM_PAGES = 48


@dataclass(eq=False)
class FakeStore:
    """What DocumentStore promises, in memory; OCR text is read from the root. Row r is of class r % 3."""

    excluded: ClassVar[frozenset[str]] = frozenset()
    root: str
    options: StoreOptions = field(
        default_factory=lambda: StoreOptions(
            "documents", 1, "tobacco", 8, CLASSES, num_partitions=2, seed=0, per_class=5
        )
    )

    def __post_init__(self) -> None:
        self.ids = [f"page-{i:02d}" for i in range(NUM_PAGES)]
        self.labels = np.arange(NUM_PAGES, dtype=np.int64) % len(CLASSES)
        self.labels[-1] = -1

    def __len__(self) -> int:
        return NUM_PAGES

    def rows(self, split: str, partition: int | None = None, with_excluded: bool = False) -> npt.NDArray[np.int64]:
        start, end = {"train": (0, 30), "validation": (30, 39), "test": (39, 48)}[split]
        found = (np.arange(start, end, dtype=np.int64) + (partition or 0)) % NUM_PAGES
        return found if with_excluded else found[[self.ids[row] not in self.excluded for row in found]]

    def row_of(self, page_id: str) -> int:
        return self.ids.index(page_id)

    def told(self, page_ids: list[str]) -> str:
        return " ".join(page_ids)

    def duplicated(self, rows: npt.NDArray[np.int64], partition: int | None = None) -> list[bool | None]:
        return [self.ids[row] == "page-40" for row in rows]

    def read_texts(self, rows: npt.NDArray[np.int64]) -> list[str]:
        return read_texts(self.root, [self.ids[row] for row in rows])


def text_of(row: int) -> str:
    random = np.random.default_rng(row)
    if row == 5:
        return "  "
    own = WORDS[CLASSES[row % len(CLASSES)]].split()
    words = random.choice(COMMON.split() + own * 2, int(random.integers(3, 60)))
    return " ".join([*words, own[row % 4]])


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Root of the store."""
    root = str(tmp_path / "store")
    pages = [PageText(f"page-{i:02d}", text_of(i), 90.0, "ok") for i in range(NUM_PAGES)]
    write_part(root, pages)
    (tmp_path / "store" / "manifest.parquet").touch()
    monkeypatch.setattr(documents_store, "DocumentStore", FakeStore)
    for cached in (tokens._made, tokens.read_tokens):
        cached.cache_clear()
    return root


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a BERT of three layers with 64 positions."""
    folder = str(tmp_path_factory.mktemp("models") / "bert")
    sizes = SmallBert(vocabulary_size=200, hidden_size=32, num_layers=3, num_heads=2, max_length=64)
    make_small_bert([text_of(i) for i in range(NUM_PAGES)], folder, sizes)
    return folder


@pytest.fixture
def options(bert: str) -> dict[str, Any]:
    """Of a task that fits."""
    return {"model": bert, "num_layers": 2, "max_length": 32, "partition": 0}
