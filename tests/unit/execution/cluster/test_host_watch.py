"""Hosts that join while a study runs, with their answers played."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.execution.cluster import connection, host_checks, host_watch
from app.execution.cluster.connection import Sight
from app.execution.cluster.host_checks import Answer
from app.execution.cluster.host_watch import HostWatch, check_own_host, place_elsewhere, problems_here
from app.execution.cluster.nodes import Nodes
from app.execution.studies import tuning
from app.execution.trials import attempts
from app.execution.trials.attempts import HostRefused
from app.experiment import Experiment, Study
from app.planning.plan import plan_of_strategy
from app.training.order import Order

ADDRESS = ("10.0.0.1", 7)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A cluster of hosts n1, n2, ... with two slots each, and what each answers; None: nothing yet."""
    play = SimpleNamespace(hosts=["n1"], answers={}, asked=[])

    def look() -> Sight:
        hosts = {node: f"h-{node}" for node in play.hosts}
        return Sight(hosts, 2 * len(hosts), dict.fromkeys(hosts, ADDRESS))

    def asked(nodes: Any, paths: Any, token: Any) -> dict[str, str]:
        play.asked += [(node, tuple(paths), token) for node in nodes]
        return {f"ref-{node}": node for node in nodes}

    def wait(references: list[str], **_: Any) -> tuple[list[str], list[str]]:
        done = [ref for ref in references if play.answers.get(ref.removeprefix("ref-")) is not None]
        return done, [ref for ref in references if ref not in done]

    monkeypatch.setattr(connection, "look", look)
    monkeypatch.setattr(connection, "num_slots_of", lambda nodes: 2 * len(nodes))
    monkeypatch.setattr(host_checks, "asked", asked)
    monkeypatch.setattr(host_checks, "answer_of", lambda ref: play.answers[ref.removeprefix("ref-")])
    monkeypatch.setattr(host_watch.ray, "wait", wait)
    return play


def begun(tmp_path: Path) -> HostWatch:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "manifest.parquet").write_text("cases")
    (tmp_path / "s").mkdir()
    return HostWatch(str(tmp_path / "s"), [str(tmp_path / "store")])


def test_a_host_that_joins_counts_once_it_has_answered_well(tmp_path: Path, played: SimpleNamespace) -> None:
    watch = begun(tmp_path)
    assert (watch.look().num_slots, watch.asked) == (2, ("n1",))
    played.hosts.append("n2")
    for _ in range(2):
        sight = watch.look()
        assert (sight.hosts, sight.num_slots, [*sight.addresses]) == ({"n1": "h-n1"}, 2, ["n1"])
    manifest, token = str(tmp_path / "store" / "manifest.parquet"), str(tmp_path / "s" / "hosts.json")
    assert played.asked == [("n2", (manifest,), token)], "once"
    played.answers["n2"] = host_checks.answer_here([manifest], token)
    sight = watch.look()
    assert (sight.hosts, sight.num_slots, sight.refused) == ({"n1": "h-n1", "n2": "h-n2"}, 4, {})
    assert watch.asked == ("n1", "n2") and place_elsewhere(str(tmp_path / "s")) is None


def test_a_host_that_answers_otherwise_is_told_once_and_gets_no_trial(tmp_path: Path, played: SimpleNamespace) -> None:
    watch = begun(tmp_path)
    study = Study("s", tuple(Experiment(name=name, workload="w") for name in "abcd"))
    plan = plan_of_strategy(study, "experiment-parallel", 2)
    nodes = Nodes(plan, lambda _: [], watch.look)
    assert nodes.changes([], plan.stages[0]) == []
    played.hosts += ["n2", "n3"]
    manifest = str(tmp_path / "store" / "manifest.parquet")
    good = host_checks.answer_here([manifest], None)
    played.answers["n2"] = Answer({**good.versions, "torch": "1.0.0"}, good.sources, good.read)
    played.answers["n3"] = good
    torch = good.versions["torch"]
    refused, joined = nodes.changes([], plan.stages[0])
    assert refused == (
        f"host h-n2: has torch 1.0.0, this job torch {torch}: `make cluster-up` sets up every host with "
        "constraints.txt. It has joined, but gets no trial"
    )
    assert joined == "host h-n3 has joined; workers in all: 4; trials at a time: 4, until now 2"
    assert nodes.changes([], plan.stages[0]) == []
    assert place_elsewhere(str(tmp_path / "s")) == {"ray.io/node-id": "!in(n2)"}


def test_a_trials_place_is_not_on_a_host_that_was_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(tuning, "placement_group", lambda *_, **how: asked.append(how["bundle_label_selector"]))
    place = tuning.NamedPlace({"CPU": 1.0}, "s:stage1:a", str(tmp_path))
    place.to_placement_group()
    (tmp_path / "hosts.json").write_text(json.dumps({"wanted": {}, "refused": ["n2", "n3"]}))
    place.to_placement_group()
    assert asked == [None, [{"ray.io/node-id": "!in(n2,n3)"}]]


def test_a_process_on_a_host_that_was_not_asked_looks_for_itself(
    tmp_path: Path, played: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tmp_path)
    context = SimpleNamespace(get_node_id=lambda: "n2")
    monkeypatch.setattr(host_watch.ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(host_checks, "SEEN_WITHIN_S", 0.2)
    played.hosts.append("n2")
    folder = str(tmp_path / "s")

    def order(*asked: str, study: str = folder) -> Order:
        return Order(
            Experiment(name="a", workload="w"), "", f"{study}/trials/a", 0.0, numerics_folder=study, asked=asked
        )

    for fine in (order(), order("n1", "n2"), order("n1")):
        check_own_host(fine)
    (tmp_path / "store" / "manifest.parquet").write_text("others")
    check_own_host(order("n1", "n2"))
    with pytest.raises(HostRefused, match=r"^host h-n2: .*manifest\.parquet is another than on the host that asks"):
        check_own_host(order("n1"))
    elsewhere = str(tmp_path / "elsewhere")
    assert problems_here(elsewhere, "h") == [
        f"host h: {elsewhere} is not shared: what the asking host writes there is not seen; {host_checks.SHARED}"
    ]
    with pytest.raises(HostRefused, match="is not shared"):
        check_own_host(order("n1", study=elsewhere))


def test_a_trial_is_tried_again_elsewhere(tmp_path: Path) -> None:
    order = Order(Experiment(name="a", workload="w"), "", str(tmp_path), 0.0)
    failure = attempts.failure_of(HostRefused("host h: has torch 1.0.0"), order)
    assert (failure.kind, failure.reason) == ("death", "host h: has torch 1.0.0")
    assert attempts.is_worth_another([failure, failure], max_retries=3)
