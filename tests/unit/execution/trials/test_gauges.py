"""What Prometheus is told, without Ray; and that the documentation and the dashboards say the same."""

import json
import math
import mmap
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from app.execution.trials import context, gauges
from app.execution.trials.context import RayContext
from app.execution.trials.gauges import GAUGES
from app.experiment import Experiment
from app.training.order import Order

ROOT = Path(__file__).parents[4]
BOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
ORDER = Order(Experiment(name="a", workload="toy"), "", "/runs/rates/trials/a", 0.0, study="rates")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Values by name and tags, as they are now."""
    values: dict[str, float] = {}

    def show(name: str, value: float, tags: dict[str, str]) -> None:
        assert set(tags) == set(GAUGES[name][1]), name
        values[f"{name}{sorted(tags.values())}"] = value

    monkeypatch.setattr(gauges, "show", show)
    return values


def worker(rank: int) -> Any:
    made: Any = RayContext.__new__(RayContext)
    made._order, made.rank, made.device = ORDER, rank, torch.device("cpu")
    return made


def test_an_epoch_is_shown_by_rank_0_and_the_memory_by_each_worker(
    shown: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "memory_bytes", lambda device: 5)
    metrics = {"epoch": 2, "step": 8, "loss": 0.5, "dice": 0.25, "score": 0.25, "samples_per_s": 4.0, "eta_s": 30.0}
    worker(0).report(metrics, True)
    worker(1).report(metrics, True)
    names = ("loss", "score", "samples_per_s", "epoch", "eta_s")
    assert shown == {f"{name}['a', 'rates']": metrics[name] for name in names} | {
        "device_memory_bytes['0', 'a', 'rates']": 5,
        "device_memory_bytes['1', 'a', 'rates']": 5,
    }
    worker(0).end()
    worker(1).end()
    assert all(math.isnan(value) for value in shown.values()), "no chart draws a trial that has ended"


def test_the_memory_of_a_worker_on_a_cpu_is_what_its_process_holds() -> None:
    before = context.memory_bytes(torch.device("cpu"))
    with mmap.mmap(-1, 64 * 2**20) as held:  # not the allocator, which may have as much left from before
        held[:] = bytes([1]) * len(held)
        assert context.memory_bytes(torch.device("cpu")) - before > 32 * 2**20


def test_a_rate_is_that_of_the_last_seconds(shown: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 4.0, 10.0, 10.0, 15.0, 30.0, 30.0])
    monkeypatch.setattr(gauges.time, "monotonic", lambda: next(clock))
    rates = []
    for page in gauges.with_rate("ocr_pages_per_s", "s", [[1, 2], [3, 4, 5], [6], [7]], len):
        rates.append(shown.get("ocr_pages_per_s['s']"))
        assert page
    assert rates == [None, 0.5, 0.5, 0.1], "5 pages in 10 s, then 2 in 20 s"


def test_the_table_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(ray_twofold_\w+)` \| (.*?) \| (.*?) \|$", (ROOT / "docs/dashboard.md").read_text(), re.M)
    assert rows == [
        (f"ray_twofold_{name}", what, ", ".join(f"`{tag}`" for tag in tags)) for name, (what, tags) in GAUGES.items()
    ]


def queries(board: dict[str, Any]) -> list[str]:
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return asked + [variable["query"] for variable in board["templating"]["list"] if variable["type"] == "query"]


def test_dashboards_ask_for_what_is_documented_alone() -> None:
    assert BOARDS
    used: set[str] = set()
    for path in BOARDS:
        board = json.loads(path.read_text())
        assert queries(board)
        for query in queries(board):
            names = re.findall(r"\b(ray_\w+|twofold_\w+|node_\w+)", query)
            assert names, query
            for name, labels in re.findall(r"(ray_twofold_\w+)(?:\{([^}]*)\})?", query):
                tags = GAUGES[name.removeprefix("ray_twofold_")][1]
                used.add(name)
                asked = re.findall(r"(\w+)=", labels) + [
                    t for by in re.findall(r"by \(([^)]*)\)", query) for t in by.split(", ")
                ]
                assert set(asked) <= set(tags), query
            assert all(name.startswith("ray_twofold_") for name in names), query
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
    assert used == {f"ray_twofold_{name}" for name in GAUGES}, "every gauge has a chart"


def test_prometheus_is_pointed_to_what_ray_writes() -> None:
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"]
    found = {"files": ["/tmp/ray/prom_metrics_service_discovery.json"], "refresh_interval": "10s"}
    assert job["file_sd_configs"] == [found], "hosts that come later are seen in seconds, not in five minutes"
