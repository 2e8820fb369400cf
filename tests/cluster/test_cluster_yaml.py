"""A cluster over ssh as docs/cluster.md has it, from an empty cluster.yaml to no process left."""

import json
import re

import pytest
from conftest import HEAD, SHARED, WORKER_1, WORKER_2, Hosts

SUBMIT = "python jobs/submit.py --address http://localhost:8265 -- "
STUDY = {
    "name": "two",
    "experiments": [
        {
            "name": f"seed{seed}",
            "seed": seed,
            "workload": "brats",
            "epochs": 2,
            "batch_size": 2,
            "precision": "fp32",
            "channels_last": "no",
            "task": {"patch_size": [32, 32, 32]},
        }
        for seed in range(2)
    ],
}
PROCESSES = "pgrep -x -c 'raylet|gcs_server'"


def fill_in(hosts: Hosts, *workers: str) -> None:
    """Write the addresses into the client's cluster.yaml, as a user would."""
    hosts.done("git checkout -q cluster.yaml")
    num = len(workers)
    hosts.done(
        f"sed -i 's/HEAD_ADDRESS/{HEAD}/; s/WORKER_1_ADDRESS, WORKER_2_ADDRESS/{', '.join(workers)}/; "
        f"s/SSH_USER/root/; s/_workers: 2/_workers: {num}/' cluster.yaml"
    )


@pytest.fixture(scope="module")
def cluster(hosts: Hosts) -> Hosts:
    """Started with one worker; the way to its job server is open."""
    fill_in(hosts, WORKER_1)
    said = hosts.done("make -s cluster-up", timeout_s=600)
    assert f"2 of 2 machines have joined: {HEAD}, {WORKER_1}" in said
    hosts.done("(ray dashboard cluster.yaml >/tmp/dashboard.log 2>&1 &) ; for i in $(seq 60); do "
               "(echo >/dev/tcp/localhost/8265) 2>/dev/null && exit 0; sleep 0.5; done; exit 1")  # fmt: skip
    return hosts


@pytest.mark.parametrize(
    ("change", "exit_code", "says"),
    [
        ("git checkout -q cluster.yaml", 2, "cluster.yaml: fill in HEAD_ADDRESS, WORKER_1_ADDRESS"),
        ("sed -i 's/_workers: 1/_workers: 2/' cluster.yaml", 2, "are 2 and 2, wanted 1 each"),
        ("sed -i 's/79.0.11/79.0.77/' cluster.yaml", 4, "10.79.0.77: ssh: connect to host 10.79.0.77 port 22"),
        ("echo '[1' > cluster.yaml", 2, "cluster.yaml: no cluster.yaml as wanted"),
    ],
)
def test_a_file_that_cannot_work_ends_in_one_line(hosts: Hosts, change: str, exit_code: int, says: str) -> None:
    fill_in(hosts, WORKER_1)
    hosts.done(change)
    done = hosts.run("client", "python jobs/cluster.py up")
    assert done.returncode == exit_code and says in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1
    fill_in(hosts, WORKER_1)


def test_rays_own_commands_work_on_it(cluster: Hosts) -> None:
    assert re.search(r"0\.0/\d+\.0 CPU", cluster.done("ray exec cluster.yaml 'ray status'"))
    assert f"{WORKER_1}: joined" in cluster.done("python jobs/cluster.py status")


def test_a_second_up_ends_no_job(cluster: Hosts) -> None:
    job = cluster.done(f"{SUBMIT.replace(' -- ', ' --no-wait -- ')} sleep 600").split(":")[0]
    assert "left alone" in cluster.done("python jobs/cluster.py up")
    job_server = "RAY_AUTH_MODE=token RAY_API_SERVER_ADDRESS=http://localhost:8265"
    assert "RUNNING" in cluster.done(f"{job_server} ray job status {job} 2>&1")
    cluster.done(f"{job_server} ray job stop {job}")


def test_nobody_gets_in_without_the_token(cluster: Hosts) -> None:
    for token in ("", "0" * 64):
        command = f"rm -f /tmp/t; printf '%s' '{token}' >/tmp/t; RAY_AUTH_TOKEN_PATH=/tmp/t {SUBMIT} true"
        done = cluster.run("client", command)
        assert done.returncode == 4 and "token" in done.stderr and "Traceback" not in done.stderr, done.stderr
    asked = cluster.run("client", "curl -s -o /dev/null -w '%{http_code}' http://localhost:8265/api/jobs/")
    assert asked.stdout == "401"
    assert cluster.run("client", f"echo >/dev/tcp/{HEAD}/8265").returncode != 0, "on the head's loopback alone"


@pytest.fixture(scope="module")
def store(cluster: Hosts) -> str:
    cluster.done(f"{SUBMIT} python jobs/synthesize.py brats --out {SHARED}/data --num-cases 6 --num-test-cases 0 "
                 "--shape 48 48 40")  # fmt: skip
    cluster.done(f"{SUBMIT} python jobs/prepare.py brats --source {SHARED}/data --store {SHARED}/store")
    cluster.done(f"cat > {SHARED}/two.json <<'END'\n{json.dumps(STUDY)}\nEND")
    return f"{SHARED}/store"


def test_a_study_over_hosts_has_the_scores_of_one_at_home(cluster: Hosts, store: str) -> None:
    study = f"python jobs/study.py --study {SHARED}/two.json --store {store} --runs {SHARED}/runs --workers 2"
    ray_submit = "RAY_AUTH_MODE=token ray job submit --address http://localhost:8265 --working-dir . -- "
    cluster.done(f"{ray_submit} {study} --strategy experiment-parallel --name each", timeout_s=600)
    cluster.done(f"{SUBMIT} {study} --strategy data-parallel --name all", timeout_s=600)
    cluster.done(f"{study} --strategy experiment-parallel --name home", timeout_s=600)
    for seed in range(2):
        home, each, together = (losses(cluster, run, f"seed{seed}") for run in ("home", "each", "all"))
        assert each == pytest.approx(home, abs=1e-6)
        assert together == pytest.approx(home, abs=1e-3), "sums over workers are in another order"


def losses(hosts: Hosts, run: str, trial: str) -> list[float]:
    text = hosts.done(f"cat {SHARED}/runs/{run}/trials/{trial}/steps.jsonl")
    found = [json.loads(line)["loss"] for line in text.splitlines()]
    assert found
    return found


def test_a_machine_that_is_added_joins_and_down_leaves_nothing(cluster: Hosts) -> None:
    fill_in(cluster, WORKER_1, WORKER_2)
    assert f"3 of 3 machines have joined: {HEAD}, {WORKER_1}, {WORKER_2}" in cluster.done("python jobs/cluster.py up")
    cluster.done("make -s cluster-down")
    for place in ("head", "worker1", "worker2"):
        assert cluster.run(place, PROCESSES).stdout.strip() == "0", place
