"""The commands of docs/cluster.md as they stand there, one after the other, on hosts on which no Ray runs."""

import re
import time

import pytest
from cluster_hosts import HEAD, ROOT, SHARED, WORKER, Hosts
from conftest import FILL_IN
from slow_studies import JOBS

pytestmark = pytest.mark.timeout(900)

DOCS = (ROOT / "docs" / "cluster.md").read_text()
OURS, RAYS = (block.splitlines() for block in re.findall(r"^```sh\n(.*?)^```", DOCS, re.M | re.S))
EDITOR = "sed -i -f /tmp/fill.sed"
"""Fills in what a person would."""


def command(line: str) -> str:
    """Without the remark at its end."""
    return line.split(" #")[0].strip()


def typed(hosts: Hosts, line: str, timeout_s: float = 500) -> str:
    """What a line prints; what is to go on beside the others does."""
    if not line.endswith("&"):
        return hosts.must("client", f"export EDITOR='{EDITOR}'; {line} 2>&1", timeout_s)
    hosts.must("client", f"nohup {line.removesuffix('&')} >/tmp/beside.log 2>&1 </dev/null &")
    job_server(hosts)
    return ""


def job_server(hosts: Hosts) -> None:
    """Return once it answers."""
    hosts.must("client", f"for i in $(seq 90); do curl -s {JOBS} >/dev/null && exit; sleep 1; done; exit 1")


@pytest.fixture(scope="module")
def bare(hosts: Hosts) -> Hosts:
    """No Ray, no token, a cluster.yaml as it is delivered; and raw scans."""
    hosts.run("client", "python jobs/cluster.py down")
    hosts.must("client", "rm -f ~/.ray/auth_token; git checkout -q cluster.yaml")
    fill = FILL_IN.replace("; ", "\n")
    hosts.must("client", f"cat >/tmp/fill.sed <<'END'\n{fill}\nEND")
    make = f"python jobs/synthesize.py brats --out {SHARED}/data --num-cases 8 --num-test-cases 0 --shape 40 40 32"
    hosts.must("client", make)
    return hosts


def test_from_zero_to_a_study_in_five_commands(bare: Hosts) -> None:
    assert len(OURS) == 5
    setup, edit, up, dashboard, study = map(command, OURS)
    for line in (setup, edit):
        typed(bare, line)
    assert f"2 of 2 machines have joined: {HEAD}, {WORKER}" in typed(bare, up)
    typed(bare, dashboard)
    (prepare,) = re.findall(r"`jobs/submit\.py … -- (python jobs/prepare\.py [^`]*)`", DOCS)
    assert "succeeded" in typed(bare, f"{study.split(' -- ')[0]} -- {prepare}")
    assert "4 of 4 trials finished" in typed(bare, study)


def test_a_restart_that_was_asked_for_is_told(bare: Hosts) -> None:
    before = bare.must("head", "pgrep -x gcs_server")
    assert "`jobs/cluster.py up --restart`" in DOCS
    told = typed(bare, "python jobs/cluster.py up --restart")
    assert f"{HEAD}: Ray is restarted; its running jobs and its list of jobs end here" in told
    assert f"2 of 2 machines have joined: {HEAD}, {WORKER}" in told
    assert bare.must("head", "pgrep -x gcs_server") != before


def test_the_same_with_rays_own_commands(bare: Hosts) -> None:
    token, up, submit, status, down = map(command, RAYS)
    for line in (token, up):
        typed(bare, line)
    job_server(bare)
    deadline = time.monotonic() + 90
    while "No available agent" in (done := bare.run("client", f"{submit} 2>&1")).stdout:  # the head is starting
        assert time.monotonic() < deadline, done.stdout
        time.sleep(3)
    assert done.returncode == 0, done.stdout
    assert "already finished; skipped" in done.stdout and "succeeded" in done.stdout
    assert "CPU" in typed(bare, status)
    typed(bare, down)
    assert bare.ray_processes("head") == []
    assert bare.ray_processes("worker1"), "which docs/cluster.md says"
    typed(bare, "make cluster-down")
    assert bare.ray_processes("worker1") == []
