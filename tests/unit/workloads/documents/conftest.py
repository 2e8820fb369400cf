"""Makes drawn_sets.py importable by the tests beside it; a store made as the job makes it, but in this process."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from app.workloads.documents.store.build_store import finish_store, plan_store
from app.workloads.documents.store.prepare import prepare_or_keep
from app.workloads.documents.store.prepared import DocumentStore


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., DocumentStore]:
    def run(source: Path, store: str | None = None, max_bad_fraction: float = 0.5, **options: object) -> DocumentStore:
        root = store or str(tmp_path / f"{source.name}-store")
        plan = plan_store(str(source), root, **{"image_size": 64, **options})  # type: ignore[arg-type]
        return finish_store(root, plan, [prepare_or_keep(task) for task in plan.tasks], max_bad_fraction)

    return run
