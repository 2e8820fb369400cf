"""Shared by all tests: hypothesis profiles, markers by folder, one local Ray, folders with short paths."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from app.command_line import ENVIRONMENT

TESTS = Path(__file__).parent

NUM_LOGICAL_CPUS = 6
"""Four workers and two for Ray Data. Logical CPUs are counts, not cores: any machine has them."""
NUM_WORKER_SLOTS = 4
OBJECT_STORE_BYTES = 512 * 2**20

# One thread: tests are tiny, and threads that wait for each other by spinning take seconds when cores are shared.
for name, value in (ENVIRONMENT | {"OMP_NUM_THREADS": "1"}).items():
    os.environ.setdefault(name, value)

# Timing per example says nothing on a machine that other work shares; CI tries the same examples every time.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What lies in tests/ray and tests/e2e carries the folder's name as its marker."""
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in ("ray", "e2e"):
            item.add_marker(folder)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """An empty folder with a path of few characters: Unix sockets end at 107."""
    folder = Path(tempfile.mkdtemp(prefix="tf", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """The address of one local Ray that all tests of this process share, such as jobs start; it ends with them."""
    import ray

    from app.execution.cluster import own_ray

    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("RAY_ADDRESS", raising=False)
        environment.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "60")
        for watcher in ("RAY_TRAIN_ENABLE_STATE_TRACKING", "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"):
            environment.setenv(watcher, "0")  # as app.execution.cluster.connection has it for a local Ray
        environment.setenv("PYTHONPATH", str(TESTS / "unit" / "training"))  # Ray's workers import toy.py
        own_ray.start(
            num_cpus=NUM_LOGICAL_CPUS,
            num_gpus=0,
            resources={
                "core": NUM_WORKER_SLOTS
            },  # as app.execution.cluster.connection notes a local machine's worker slots
            object_store_memory=OBJECT_STORE_BYTES,
        )
        yield ray.get_runtime_context().gcs_address
        own_ray.stop()
