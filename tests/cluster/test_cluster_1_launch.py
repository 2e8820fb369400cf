"""From a cluster.yaml as it is delivered to a cluster that is whole."""

import pytest
from cluster_hosts import HEAD, SUBNET, WORKER, Hosts

pytestmark = pytest.mark.timeout(600)

NOBODY = f"{SUBNET}.99"
"""An address that no host has."""


def test_a_file_that_is_not_filled_in_is_refused(hosts: Hosts) -> None:
    done = hosts.run("client", "git checkout -q cluster.yaml; python jobs/cluster.py up")
    assert done.returncode == 2
    assert "fill in HEAD_ADDRESS, WORKER_1_ADDRESS, WORKER_2_ADDRESS, SSH_USER" in done.stderr


def test_a_host_that_does_not_answer_and_one_that_lacks_a_program_are_named(hosts: Hosts) -> None:
    filled = f"s/HEAD_ADDRESS/{HEAD}/; s/WORKER_1_ADDRESS/{WORKER}/; s/WORKER_2_ADDRESS/{NOBODY}/; s/SSH_USER/root/"
    hosts.must("client", f"sed '{filled}' cluster.yaml >/tmp/other.yaml")
    hosts.must("worker1", "mkdir /tmp/bin; ln -s /usr/bin/* /tmp/bin/; rm /tmp/bin/rsync")
    hosts.must("worker1", "cp ~/.bashrc /tmp/; sed -i '1i PATH=/tmp/bin' ~/.bashrc")
    try:
        done = hosts.run("client", "python jobs/cluster.py up --file /tmp/other.yaml")
    finally:
        hosts.must("worker1", "/bin/cp /tmp/.bashrc ~/")
    assert done.returncode == 4 and "Traceback" not in done.stderr
    assert f"{WORKER}: lacks rsync" in done.stderr
    assert f"{NOBODY}: ssh: connect to host {NOBODY}" in done.stderr
    assert HEAD not in done.stderr


def test_up_makes_a_token_that_others_can_not_read_and_the_hosts_get_the_same(cluster: Hosts) -> None:
    tokens = {cluster.must(place, "cat ~/.ray/auth_token") for place in ("client", "head", "worker1")}
    assert len(tokens) == 1 and len(tokens.pop().strip()) >= 32
    modes = {cluster.must(place, "stat -c %a ~/.ray/auth_token").strip() for place in ("client", "head", "worker1")}
    assert modes == {"600"}


def test_all_hosts_are_there_by_ray_status_and_by_ray_exec(cluster: Hosts) -> None:
    told = cluster.must("client", "python jobs/cluster.py status")
    assert f"{HEAD}: joined (head)" in told and f"{WORKER}: joined" in told
    told = cluster.must("client", "ray exec cluster.yaml 'ray status'")
    assert "/6.0 CPU" in told


def test_only_what_is_needed_was_sent(cluster: Hosts) -> None:
    sent = set(cluster.must("worker1", "ls -A ~/twofold").split())
    assert {"app", "jobs", "Makefile", "constraints.txt"} <= sent
    assert sent & {".git", "tests", "runs", "data"} == set()


def test_a_second_up_leaves_jobs_alone_and_starts_a_host_whose_ray_has_just_been_killed(cluster: Hosts) -> None:
    before = cluster.must("head", "pgrep -x gcs_server")
    cluster.must("worker1", "pkill -KILL -x raylet")
    done = cluster.run("client", "python jobs/cluster.py status")
    assert done.returncode == 4 and f"{WORKER}: NOT joined: Ray does not run there" in done.stdout, done.stdout
    told = cluster.must("client", "python jobs/cluster.py up")
    assert f"{HEAD}: Ray runs already and is left alone" in told and "--restart" in told
    assert f"2 of 2 machines have joined: {HEAD}, {WORKER}" in told
    assert cluster.must("head", "pgrep -x gcs_server") == before
