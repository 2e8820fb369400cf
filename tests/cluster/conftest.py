"""The hosts and the cluster on them that the tests share: each is made once."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # cluster_hosts.py

from cluster_hosts import DISK, HEAD, ROOT, SHARED, STORE, SUBNET, WORKER, Hosts, lacking


@pytest.fixture(scope="package")
def hosts() -> Iterator[Hosts]:
    missing = lacking()
    if missing:
        pytest.skip(f"the cluster's tests: {missing}")
    state = Path(tempfile.mkdtemp(prefix="twofold-hosts-", dir=DISK))
    shared = state.with_name(state.name + "-shared")
    shared.mkdir()
    made = Hosts(state, shared)
    settings = ["--hosts", "2", "--subnet", SUBNET, "--prefix", f"tf{os.getpid()}", "--checkout", str(ROOT)]
    settings += ["--venv", sys.prefix, "--bind", f"{shared}:{SHARED}", "--hide", str(ROOT)]
    if Path(sys.base_prefix).is_relative_to("/root"):
        settings += ["--bind", sys.base_prefix]
    try:
        made.script("up", *settings)
        yield made
    finally:
        if (state / "settings").exists():
            made.script("down")
        shutil.rmtree(state, ignore_errors=True)
        shutil.rmtree(shared, ignore_errors=True)


FILL_IN = (
    f"s/HEAD_ADDRESS/{HEAD}/; s/WORKER_1_ADDRESS, WORKER_2_ADDRESS/{WORKER}/; s/SSH_USER/root/; "
    "s/_workers: 2/_workers: 1/; "
    # Whatever this machine has: four workers and what reads for them, more than one host holds.
    "s/ray start --head/ray start --num-cpus=3 --head/; s/ray start --address/ray start --num-cpus=3 --address/"
)


@pytest.fixture(scope="package")
def cluster(hosts: Hosts) -> Hosts:
    """Started by `jobs/cluster.py up`, with the way to its job server open, as docs/cluster.md says."""
    hosts.must("client", f"sed -i '{FILL_IN}' cluster.yaml")
    told = hosts.must("client", "python jobs/cluster.py up", timeout_s=400)
    assert f"2 of 2 machines have joined: {HEAD}, {WORKER}" in told
    hosts.must("client", "nohup ray dashboard cluster.yaml >/tmp/dashboard.log 2>&1 </dev/null &")
    hosts.must("client", "for i in $(seq 60); do curl -s localhost:8265 >/dev/null && exit; sleep 1; done; exit 1")
    return hosts


@pytest.fixture(scope="package")
def prepared(cluster: Hosts) -> Hosts:
    """Eight small synthetic scans in a store, which the cluster made of them."""
    make = f"python jobs/synthesize.py brats --out {SHARED}/data --num-cases 8 --num-test-cases 0 --shape 40 40 32"
    cluster.must("client", make)
    submit = "RAY_AUTH_MODE=token ray job submit --address http://localhost:8265 --working-dir . --"
    told = cluster.must("client", f"{submit} python jobs/prepare.py brats --source {SHARED}/data {STORE}", 400)
    assert "succeeded" in told
    return cluster
