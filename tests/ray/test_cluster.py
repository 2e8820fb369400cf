"""The shared cluster itself."""


def test_the_cluster_has_slots_for_workers_and_cpus_to_spare(ray_cluster: str) -> None:
    import ray

    resources = ray.cluster_resources()
    assert ":" in ray_cluster
    assert resources["CPU"] >= resources["core"] + 2
