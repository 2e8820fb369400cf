"""The end of a cluster."""

import pytest
from cluster_hosts import HEAD, WORKER, Hosts

pytestmark = pytest.mark.timeout(300)


def test_down_leaves_no_process_of_ray_on_any_host(cluster: Hosts) -> None:
    assert cluster.ray_processes("head") and cluster.ray_processes("worker1")
    told = cluster.must("client", "python jobs/cluster.py down")
    assert f"Ray is stopped on {HEAD}, {WORKER}" in told
    assert cluster.ray_processes("head") == [] and cluster.ray_processes("worker1") == []
