"""A machine more, and the end of a cluster."""

import pytest
from cluster_hosts import Hosts

pytestmark = pytest.mark.timeout(400)


def test_a_machine_that_is_added_joins_a_cluster_that_runs(cluster: Hosts) -> None:
    before = cluster.must("head", "pgrep -x gcs_server")
    added, _ = cluster.add_machine()
    addresses = list(cluster.machines().values())
    told = cluster.must("client", "python jobs/cluster.py up", 300)
    assert f"{len(addresses)} of {len(addresses)} machines have joined: {', '.join(addresses)}" in told
    assert cluster.must("head", "pgrep -x gcs_server") == before
    assert cluster.ray_processes(added)


def test_down_leaves_no_process_of_ray_on_any_host(cluster: Hosts) -> None:
    places = cluster.machines()
    assert all(cluster.ray_processes(place) for place in places)
    told = cluster.must("client", "python jobs/cluster.py down")
    assert f"Ray is stopped on {', '.join(places.values())}" in told
    assert {place: cluster.ray_processes(place) for place in places} == {place: [] for place in places}
