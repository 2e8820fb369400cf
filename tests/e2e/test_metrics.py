"""The gauges of docs/dashboard.md as a head of Ray gives them out, and, where Debian's prometheus is installed, as it
answers the queries of deploy/grafana."""

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from running import ROOT, Head, free_port

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
class Shown:
    """Every gauge, shown by one process."""

    head: Head
    driver: "subprocess.Popen[str]"

    def series(self) -> dict[str, float]:
        """Our series by name with tags, without those tags that Ray adds."""
        text = urllib.request.urlopen(self.head.metrics, timeout=10).read().decode()
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
def shown(head: Head) -> Iterator[Shown]:
    pipe, environment = subprocess.PIPE, head.environment | {"PYTHONPATH": str(ROOT), "RAY_ADDRESS": head.ray_address}
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], env=environment, stdin=pipe, stdout=pipe, text=True)
    assert driver.stdout is not None and driver.stdout.readline() == "shown\n"
    yield Shown(head, driver)
    driver.kill()


def queries() -> list[str]:
    found = []
    for path in sorted((ROOT / "deploy" / "grafana").glob("*.json")):
        board = json.loads(path.read_text())
        found += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return [query.replace("$study", ".*").replace("$trial", ".*") for query in found]


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed (Debian's package has it)")
def test_a_real_prometheus_answers_the_dashboards(shown: Shown) -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())
    config["global"]["scrape_interval"] = config["global"]["evaluation_interval"] = "1s"
    head = shown.head
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


def test_gauges_are_there_and_end_with_the_trial_and_the_process(shown: Shown) -> None:
    def wanted(*names: str) -> dict[str, float]:
        return {f"ray_twofold_{name}{sorted((t, VALUES[t]) for t in GAUGES[name][1])}": 7.5 for name in names}

    until(lambda: shown.series() == wanted(*GAUGES))
    others = wanted(*(name for name, (_, tags) in GAUGES.items() if "trial" not in tags))
    assert shown.driver.stdin is not None
    shown.driver.stdin.write("\n")
    shown.driver.stdin.flush()
    until(lambda: {name: value for name, value in shown.series().items() if value == value} == others)
    shown.driver.stdin.write("\n")
    shown.driver.stdin.flush()
    until(lambda: shown.series() == {})
