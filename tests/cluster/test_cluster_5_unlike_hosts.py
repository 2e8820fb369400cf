"""Hosts that do not see what a job is about to use, or have other versions: told in one line before anything trains."""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cluster_hosts import HEAD, RUNS, SHARED, STORE, WORKER, Hosts, until
from slow_studies import JOBS, attempts, num_epochs, put_study, put_workload, study_command, submitted

pytestmark = pytest.mark.timeout(400)

PROJECT = "/root/twofold"
ADVICE = "wanted: stores, data and runs on a file system that every host has at the same path"


@pytest.fixture(scope="module")
def slow(cluster: Hosts) -> Hosts:
    put_workload(cluster)
    put_study(cluster, "unlike", 1, 0.0)
    return cluster


def refusal(hosts: Hosts, command: str) -> str:
    """The one line with which a job ends that names a host; nothing was trained."""
    done = hosts.run("client", f"python jobs/submit.py --address {JOBS} -- {command}", 200)
    assert done.returncode == 4, done.stdout + done.stderr
    (line,) = re.findall(r"^error: host .*$", done.stdout, re.M)
    assert "Traceback" not in done.stdout + done.stderr
    assert "begins on" not in done.stdout
    return str(line)


@contextmanager
def changed(hosts: Hosts, place: str, file: str, change: str) -> Iterator[None]:
    """A file on a host's own disk, changed by sed for a while."""
    kept = f"/tmp/{file.replace('/', '_')}"
    hosts.must(place, f"cp -p {file} {kept} && sed -i {shlex.quote(change)} {file} && ! cmp -s {file} {kept}")
    try:
        yield
    finally:
        hosts.must(place, f"cp -p {kept} {file}")


def test_a_store_that_only_the_head_has(slow: Hosts, prepared: Hosts) -> None:
    slow.must("head", f"cp -r {SHARED}/store ~/store")
    told = refusal(slow, study_command("unlike", store="/root/store"))
    assert told.startswith(f"error: host worker1 ({WORKER}): /root/store/manifest.parquet is not there; {ADVICE}")


def test_a_store_that_is_another_on_each_host(slow: Hosts, prepared: Hosts) -> None:
    slow.must("head", f"cp -r {SHARED}/store ~/mine")
    slow.must("worker1", "mkdir -p ~/mine && echo 2 >~/mine/manifest.parquet")
    told = refusal(slow, study_command("unlike", store="/root/mine"))
    assert f"host worker1 ({WORKER}): /root/mine/manifest.parquet is another than on the host that asks" in told


def test_a_runs_folder_that_is_not_shared(slow: Hosts, prepared: Hosts) -> None:
    told = refusal(slow, study_command("unlike", runs="/root/runs"))
    assert told.startswith(f"error: host worker1 ({WORKER}): /root/runs/unlike is not shared: ") and ADVICE in told
    told = refusal(slow, f"python jobs/train.py brats {STORE} --runs /root/runs --name one --epochs 1 --workers 2")
    assert told.startswith(f"error: host worker1 ({WORKER}): /root/runs/one is not shared: ")


def test_scans_that_only_the_head_has(slow: Hosts) -> None:
    make = f"cd {PROJECT} && python jobs/synthesize.py brats --out ~/scans --num-cases 2 --num-test-cases 0"
    slow.must("head", f"{make} --shape 40 40 32")
    told = refusal(slow, f"python jobs/prepare.py brats --source /root/scans --store {SHARED}/never")
    assert re.match(rf"error: host worker1 \({re.escape(WORKER)}\): /root/scans/\S+ is not there; {ADVICE}", told)


def test_another_version_of_torch(slow: Hosts) -> None:
    found = slow.must("worker1", f"echo {PROJECT}/.venv/lib/python3*/site-packages/torch-*.dist-info/METADATA").strip()
    with changed(slow, "worker1", found, "s/^Version: .*/Version: 1.0.0/"):
        told = refusal(slow, study_command("unlike"))
    assert re.match(rf"error: host worker1 \({re.escape(WORKER)}\): has torch 1\.0\.0, this job torch \d", told)
    assert "make cluster-up" in told


def test_another_state_of_the_project(slow: Hosts, prepared: Hosts) -> None:
    """Of a job that is not sent but started on the head, with what lies there."""
    train = f"python jobs/train.py brats {STORE} {RUNS} --name state --epochs 1"
    with changed(slow, "worker1", f"{PROJECT}/app/training/loop.py", "1i # other"):
        done = slow.run("head", f"cd {PROJECT} && RAY_AUTH_MODE=token RAY_ADDRESS=auto {train}", 200)
    assert done.returncode == 4, done.stdout + done.stderr
    assert done.stderr.startswith(
        f"error: host worker1 ({WORKER}): has other files of the project than this job (training/loop.py): "
    )


def test_a_host_that_joins_a_study_with_another_version_gets_no_trial(slow: Hosts) -> None:
    """The study has all workers of the head, of which there is one; with the other host it would have four."""
    put_study(slow, "grows", 2, 0.3)
    found = slow.must("worker1", f"echo {PROJECT}/.venv/lib/python3*/site-packages/torch-*.dist-info/METADATA").strip()
    with changed(slow, "worker1", found, "s/^Version: .*/Version: 1.0.0/"):
        slow.must("worker1", "ray stop --grace-period 20 >/dev/null 2>&1")
        nodes = "ray list nodes --format json --filter state=ALIVE"
        until(lambda: len(json.loads(slow.must("head", nodes))) == 1, 90)
        with submitted(slow, study_command("grows", workers=1)) as job:
            until(lambda: num_epochs(slow, "grows", "t0") >= 2, 120, job.told)
            slow.must("client", "python jobs/cluster.py up", 300)
            told = rf"^host worker1 \({re.escape(WORKER)}\): has torch 1\.0\.0, .* It has joined, but gets no trial$"
            until(lambda: re.search(told, job.told(), re.M), 60, job.told)
            assert job.ends(200) == 0, job.told()
    assert "grows: 2 of 2 trials finished" in job.told() and "trials at a time" not in job.told()
    (head,) = {node for trial in ("t0", "t1") for start in attempts(slow, "grows", trial) for node in start["nodes"]}
    names = {node["node_id"]: node["node_ip"] for node in json.loads(slow.must("head", nodes))}
    assert names[head] == HEAD and WORKER in names.values()


def test_another_version_of_ray_does_not_join_and_cluster_up_says_why(slow: Hosts) -> None:
    file = f"{PROJECT}/.venv/lib/python3.11/site-packages/ray/_version.py"
    with changed(slow, "worker1", file, 's/^version = .*/version = "2.0.0"/'):
        slow.must("worker1", "ray stop --grace-period 20 >/dev/null 2>&1")
        status = "python jobs/cluster.py status"
        until(lambda: f"{WORKER}: NOT joined" in slow.run("client", status).stdout, 90)
        done = slow.run("client", "python jobs/cluster.py up", 300)
    assert done.returncode == 4 and "Traceback" not in done.stderr, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert f"{WORKER}: " in line and HEAD not in line.split(WORKER)[0]
    assert re.search(r"Ray: 2\.\d+\.\d+ Python: 3\S+ .*Ray: 2\.0\.0 Python: 3", line), line
    told = slow.must("client", "python jobs/cluster.py up", 300)
    assert f"2 of 2 machines have joined: {HEAD}, {WORKER}" in told
