"""A machine more, and the end of a cluster."""

import pytest
from cluster_hosts import HEAD, WORKER, Hosts

pytestmark = pytest.mark.timeout(400)


def test_a_machine_that_is_added_joins_a_cluster_that_runs(cluster: Hosts) -> None:
    before = cluster.must("head", "pgrep -x gcs_server")
    added, address = cluster.script("add").split()
    cluster.must("client", f"sed -i 's/{WORKER}]/{WORKER}, {address}]/; s/_workers: 1/_workers: 2/' cluster.yaml")
    told = cluster.must("client", "python jobs/cluster.py up", 300)
    assert f"3 of 3 machines have joined: {HEAD}, {WORKER}, {address}" in told
    assert cluster.must("head", "pgrep -x gcs_server") == before
    assert cluster.ray_processes(added)


def test_down_leaves_no_process_of_ray_on_any_host(cluster: Hosts) -> None:
    places = ["head", "worker1", "worker2"]
    assert all(cluster.ray_processes(place) for place in places)
    told = cluster.must("client", "python jobs/cluster.py down")
    assert f"Ray is stopped on {HEAD}, {WORKER}" in told
    assert [cluster.ray_processes(place) for place in places] == [[], [], []]
