"""The gauges of docs/dashboard.md as a head of Ray gives them out, and, where Debian's prometheus is installed, as it
answers the queries of deploy/grafana."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import ROOT
from test_submit import BIN, free_port

from app.command_line import ENVIRONMENT
from app.execution.trials.gauges import GAUGES

VALUES = {"study": "s", "trial": "t", "rank": "0", "state": "running", "store": "pages"}
DRIVER = f"""
import sys, ray
from app.execution.trials import gauges
from app.experiment import Experiment
from app.training.order import Order
ray.init(address="auto", log_to_driver=False)
for name, (_, tags) in gauges.GAUGES.items():
    gauges.show(name, 7.5, {{tag: {VALUES!r}[tag] for tag in tags}})
print("shown", flush=True)
sys.stdin.readline()
gauges.forget_trial(Order(Experiment(name="t", workload="toy"), "", "", 0.0, study="s"), 0)
print("forgotten", flush=True)
sys.stdin.readline()
"""


@dataclass(frozen=True)
class Head:
    folder: Path
    metrics: str
    """Where its figures are read."""
    driver: "subprocess.Popen[str]"

    def series(self) -> dict[str, float]:
        """Our series by name with tags, without those tags that Ray adds."""
        text = urllib.request.urlopen(self.metrics, timeout=10).read().decode()
        found = {}
        for name, tags, value in re.findall(r"^(ray_twofold_\w+)\{(.*)\} (\S+)$", text, re.M):
            ours = sorted((k, v) for k, v in re.findall(r'(\w+)="([^"]*)"', tags) if k in VALUES)
            found[name + str(ours)] = float(value)
        return found


def until(what: Callable[[], bool], wait_s: float = 40.0, told: str = "") -> None:
    deadline = time.monotonic() + wait_s
    while not what():
        assert time.monotonic() < deadline, told
        time.sleep(0.5)


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    folder = Path(tempfile.mkdtemp(prefix="tf", dir="/tmp"))
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    environment |= ENVIRONMENT | {"RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(ROOT)}
    port, metrics = free_port(), free_port()
    started = subprocess.Popen(
        [
            *(str(BIN / "ray"), "start", "--head", "--block", "--node-ip-address", "127.0.0.1", "--port", str(port)),
            *("--dashboard-host", "127.0.0.1", "--dashboard-port", str(free_port())),
            *("--dashboard-agent-listen-port", str(free_port()), "--dashboard-agent-grpc-port", str(free_port())),
            *("--metrics-export-port", str(metrics), "--num-cpus", "1", "--object-store-memory", str(100 * 2**20)),
            *("--system-config", '{"metrics_report_interval_ms": 1000}'),
            *("--temp-dir", str(folder / "ray"), "--disable-usage-stats"),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until((folder / "ray" / "prom_metrics_service_discovery.json").exists, 120)
    pipe = subprocess.PIPE
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        env=environment | {"RAY_ADDRESS": f"127.0.0.1:{port}"},
        stdin=pipe,
        stdout=pipe,
        text=True,
    )
    assert driver.stdout is not None and driver.stdout.readline() == "shown\n"
    yield Head(folder, f"http://127.0.0.1:{metrics}/metrics", driver)
    driver.kill()
    started.terminate()
    started.wait(60)
    shutil.rmtree(folder, ignore_errors=True)


def queries() -> list[str]:
    found = []
    for path in sorted((ROOT / "deploy" / "grafana").glob("*.json")):
        board = json.loads(path.read_text())
        found += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return [query.replace("$study", ".*").replace("$trial", ".*") for query in found]


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed (Debian's package has it)")
def test_a_real_prometheus_answers_the_dashboards(head: Head) -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())
    config["global"]["scrape_interval"] = config["global"]["evaluation_interval"] = "1s"
    discovery = head.folder / "ray" / "prom_metrics_service_discovery.json"
    (found,) = config["scrape_configs"][0]["file_sd_configs"]
    assert found["files"] == ["/tmp/ray/prom_metrics_service_discovery.json"]
    found["files"] = [str(discovery)]
    (head.folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    prometheus = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={head.folder / 'prometheus.yml'}",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--storage.tsdb.path={head.folder / 'prometheus'}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answer(query: str) -> list[Any]:
        address = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(query)}"
        try:
            found: list[Any] = json.load(urllib.request.urlopen(address, timeout=10))["data"]["result"]
        except OSError:
            return []
        return [float(one["value"][1]) for one in found]

    try:
        for query in queries():
            until(lambda query=query: answer(query) == [7.5], 90, query)  # type: ignore[misc]
    finally:
        prometheus.terminate()
        prometheus.wait(30)


def test_gauges_are_there_and_end_with_the_trial_and_the_process(head: Head) -> None:
    def wanted(*names: str) -> dict[str, float]:
        return {f"ray_twofold_{name}{sorted((t, VALUES[t]) for t in GAUGES[name][1])}": 7.5 for name in names}

    until(lambda: head.series() == wanted(*GAUGES))
    others = wanted(*(name for name, (_, tags) in GAUGES.items() if "trial" not in tags))
    assert head.driver.stdin is not None
    head.driver.stdin.write("\n")
    head.driver.stdin.flush()
    until(lambda: {name: value for name, value in head.series().items() if value == value} == others)
    head.driver.stdin.write("\n")
    head.driver.stdin.flush()
    until(lambda: head.series() == {})
