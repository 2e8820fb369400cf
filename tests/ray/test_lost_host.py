"""A study on a cluster that loses a host."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SCRIPT = """
import dataclasses, glob, logging, os, sys, threading, time
from pathlib import Path
from ray.cluster_utils import Cluster

logging.getLogger("ray").setLevel("ERROR")
folder = Path(sys.argv[1])
quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_timeout_ms": 1000,
         "health_check_failure_threshold": 4}
store = {"object_store_memory": 100 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": quick, **store})
host = cluster.add_node(num_cpus=3, **store)
cluster.wait_for_nodes()
os.environ["RAY_ADDRESS"] = cluster.address

from toy import toy_experiment
from app.execution.cluster import nodes
from app.execution.studies.study import StudySetting, run_study
from app.experiment import Study
from app.planning.plan import plan_of_strategy

nodes.LOOK_EVERY_S = 0.5
trials = [dataclasses.replace(toy_experiment(epochs=400, seed=seed), name=f"t{seed}", workload="toy:ToyWorkload")
          for seed in range(2)]

def lose_the_host():
    while not any(len(Path(p).read_text().splitlines()) > 2 for p in glob.glob(f"{folder}/trials/*/metrics.jsonl")):
        time.sleep(0.1)
    time.sleep(0.7)
    cluster.remove_node(host, allow_graceful=False)

threading.Thread(target=lose_the_host, daemon=True).start()
study = Study("s", tuple(trials))
setting = StudySetting(str(folder), {"": str(folder.parent)}, feeding="worker")
record = run_study(study, plan_of_strategy(study, "experiment-parallel", 2), setting)
print("ended:", [trial.status for trial in record.trials])
"""


@pytest.mark.slow
def test_a_lost_host_is_one_line(tmp_path: Path, short_path: Path) -> None:
    paths = [str(ROOT), str(ROOT / "tests" / "unit" / "training")]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "run")],
        cwd=ROOT,
        # A cluster leaves its address in Ray's folder, where other tests would find it.
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "RAY_TMPDIR": str(short_path),
            "RAY_AUTH_MODE": "disabled",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
    )
    log = done.stdout
    assert done.returncode == 0, log
    assert "ended: ['finished', 'finished']" in log
    places = dict(re.findall(r"^(t\d): on host (.+)$", log, re.M))
    assert places, log
    (lost,) = re.findall(r"^host .* is gone.*$", log, re.M)
    assert re.search(r"is gone, and with it t\d(, t\d)?: each resumes from its last checkpoint on another host", lost)
    assert lost.endswith("workers in all: 0; trials at a time: 1, until now 2"), "a CPU, and two that reading needs"
    ours = re.compile(r"(t\d: |host |no sign of host |s: |ended: )")
    assert [line for line in log.splitlines() if line.strip() and not ours.match(line)] == [], log
