"""Whether a plan fits into a cluster, the CPUs with which Ray Data reads among what it needs."""

from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import AuthenticationError
from silent_server import silent_server

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


def nodes(*resources: dict[str, float], dead: int = 0) -> list[dict[str, Any]]:
    """As Ray lists them; so many of the last are gone."""
    alive = [number < len(resources) - dead for number in range(len(resources))]
    return [{"Alive": a, "Resources": r} for a, r in zip(alive, resources, strict=True)]


@pytest.mark.parametrize(
    ("there", "k", "concurrent", "per_worker", "fit"),
    [
        (nodes({"CPU": 4.0}, {"CPU": 2.0}, {"CPU": 1.0}), 2, 3, {"CPU": 1.0}, True),  # 2 on the first, 1 on the second
        (nodes({"CPU": 4.0}, {"CPU": 2.0}, {"CPU": 1.0}), 2, 4, {"CPU": 1.0}, False),
        (nodes({"CPU": 4.0}, {"CPU": 2.0}, {"CPU": 1.0}), 3, 2, {"CPU": 1.0}, False),  # 7 CPUs, 3 of them on one node
        (nodes({"CPU": 4.0}, {"CPU": 2.0}, {"CPU": 1.0}), 3, 1, {"CPU": 1.0}, True),
        (nodes({"CPU": 4.0}, {"CPU": 4.0}), 8, 1, {"CPU": 1.0}, False),
        (nodes({"CPU": 4.0}, {"CPU": 2.0}, dead=1), 2, 3, {"CPU": 1.0}, False),
        (nodes({"CPU": 64.0, "GPU": 1.0}, {"CPU": 2.0, "GPU": 8.0}), 2, 1, {"CPU": 1.0, "GPU": 1.0}, True),
        (nodes({"CPU": 64.0, "GPU": 1.0}, {"CPU": 2.0, "GPU": 8.0}), 2, 2, {"CPU": 1.0, "GPU": 1.0}, False),
        (nodes({"CPU": 64.0}, {"GPU": 8.0, "CPU": 8.0}), 4, 2, {"GPU": 1.0}, True),  # a head without GPUs
        (nodes({"CPU": 3.0}, {"CPU": 3.0}), 1, 3, {"CPU": 2.0}, False),  # a CPU of each is left over
    ],
)
def test_a_trial_s_workers_share_a_node_where_each_trial_finds_one(
    monkeypatch: pytest.MonkeyPatch,
    there: list[dict[str, Any]],
    k: int,
    concurrent: int,
    per_worker: dict[str, float],
    fit: bool,
) -> None:
    monkeypatch.setattr(connection.ray, "nodes", lambda: there)
    assert connection.all_fit_on_single_nodes(k, concurrent, per_worker) is fit


def test_nodes_that_hold_a_worker_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        connection.ray, "nodes", lambda: nodes({"CPU": 4.0}, {"memory": 1.0}, {"CPU": 1.0}, {"CPU": 8.0}, dead=1)
    )
    assert connection.num_nodes() == 2
    monkeypatch.setattr(connection.ray, "nodes", lambda: nodes({"memory": 1.0}))
    assert connection.num_nodes() == 1


def test_room_is_counted_over_all_nodes_and_cpus_for_reading_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes of 4 and 3 CPUs: five workers fit beside the two that read, six do not."""
    monkeypatch.setattr(connection.ray, "cluster_resources", lambda: {"CPU": 7.0})
    monkeypatch.setattr(connection.ray, "available_resources", lambda: {"CPU": 7.0})
    assert connection.count_slots() == connection.Slots("CPU", 5)
    connection.check_workers(5, {"CPU": 1.0}, True, "no room:")
    with pytest.raises(ResourceError, match=r"no room: 6 x 1 CPU \+ 2 for reading data of 7; plan fewer workers"):
        connection.check_workers(6, {"CPU": 1.0}, True, "no room:")


def test_a_head_on_this_machine_is_found_while_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert connection.find_head() is None
    address_file = tmp_path / "ray" / "ray_current_cluster"
    address_file.parent.mkdir()
    with silent_server() as port:
        address_file.write_text(f"127.0.0.1:{port}")
        assert connection.find_head() == f"127.0.0.1:{port}"
    assert connection.find_head() is None, "it is gone, its file stays"
    address_file.write_text("nonsense")
    assert connection.find_head() is None


def test_a_job_says_that_it_does_not_use_a_head_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(connection.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(connection, "start_local", lambda _: None)
    monkeypatch.setattr(connection, "listen_again", lambda: None)
    monkeypatch.setattr(connection, "count_slots", lambda: connection.Slots("CPU core", 2))
    for head, told in (("10.0.0.1:6379", "with RAY_ADDRESS=10.0.0.1:6379 it is"), (None, "")):
        monkeypatch.setattr(connection, "find_head", lambda head=head: head)
        connection.connect(1)
        shown = capsys.readouterr().out
        assert told in shown and bool(shown) == bool(told)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("nonsense", "expected HOST:PORT"),
        ("127.0.0.1:1", "refused"),
        ("127.0.0.1:70000", "expected HOST:PORT"),
        ("no.such.host.invalid:6379", "known|resolution|associated"),
    ],
)
def test_an_address_where_no_ray_is_is_one_line_at_once(
    monkeypatch: pytest.MonkeyPatch, address: str, told: str
) -> None:
    """Ray tries for minutes, or ends in a trace."""
    monkeypatch.setattr(connection.ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ResourceError, match=rf"no Ray answers at {address} \(RAY_ADDRESS\): .*({told})"):
        connection.connect(1)


def test_a_cluster_that_wants_a_token_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise AuthenticationError("no token")

    monkeypatch.setattr(connection.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(connection.ray, "init", refuse)
    with silent_server() as port:
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        with pytest.raises(ResourceError, match=r"wants a token: set RAY_AUTH_MODE=token"):
            connection.connect(1)
