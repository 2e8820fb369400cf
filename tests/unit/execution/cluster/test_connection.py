"""Whether a plan fits into a cluster, the CPUs with which Ray Data reads among what it needs."""

import pytest

from app.errors import ResourceError
from app.execution.cluster import connection
from app.execution.cluster.connection import check_room, missing, resources_needed
from app.planning.plan import Plan, Stage

GPU_TRIAL = {"CPU": 1.0, "GPU": 1.0}


def test_what_reads_needs_cpus_that_no_worker_holds() -> None:
    assert resources_needed(2, GPU_TRIAL, ray_reads=True) == {"CPU": 4.0, "GPU": 2.0}
    assert resources_needed(2, GPU_TRIAL, ray_reads=False) == {"CPU": 2.0, "GPU": 2.0}
    assert resources_needed(2, {"GPU": 1.0}, ray_reads=True) == {"GPU": 2.0, "CPU": 2.0}


@pytest.mark.parametrize(
    ("there", "ray_reads", "text"),
    [
        ({"CPU": 4.0, "GPU": 2.0}, True, None),
        ({"CPU": 2.0, "GPU": 2.0}, False, None),
        (
            {"CPU": 2.0, "GPU": 2.0},
            True,
            (
                "2 x 1 CPU + 2 for reading data of 2, 2 x 1 GPU of 2; plan fewer workers, or let each worker read for "
                "itself (--feeding worker)"
            ),
        ),
        ({"CPU": 2.0}, False, "2 x 1 CPU of 2, 2 x 1 GPU of 0; plan fewer workers"),
    ],
)
def test_what_is_missing_is_told_as_a_sum(there: dict[str, float], ray_reads: bool, text: str | None) -> None:
    assert missing(resources_needed(2, GPU_TRIAL, ray_reads), 2, GPU_TRIAL, there) == text


def test_the_widest_stage_of_a_plan_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two Tune actors with a GPU and a CPU each on two CPUs: Ray Data inside them would wait forever."""
    there = {"CPU": 2.0, "GPU": 2.0}
    monkeypatch.setattr(connection.ray, "cluster_resources", lambda: there)
    monkeypatch.setattr(connection.ray, "available_resources", lambda: there)
    plan = Plan("study", 2, "hybrid", (Stage(1, 1, ("a",)), Stage(1, 2, ("b", "c"))))
    check_room(plan, GPU_TRIAL, ray_reads=False)
    with pytest.raises(
        ResourceError, match="stage 2 of the plan does not fit: 2 trials at a time x 1 workers need 2 x 1"
    ):
        check_room(plan, GPU_TRIAL, ray_reads=True)
