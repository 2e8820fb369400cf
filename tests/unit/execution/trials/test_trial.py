"""A training on a group of workers that fails: another group takes over, until it is given up. Without Ray."""

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

TOY = Path(__file__).parents[2] / "training"
sys.path.insert(0, str(TOY))

from toy import toy_experiment  # noqa: E402

from app.errors import DataError, ResourceError, TrainingError, TwofoldError  # noqa: E402
from app.execution.cluster import connection, host_checks  # noqa: E402
from app.execution.trials import group  # noqa: E402
from app.execution.trials.attempts import AttemptFailed, Failure  # noqa: E402
from app.execution.trials.group import GroupShape  # noqa: E402
from app.execution.trials.trial import run_trial  # noqa: E402
from app.training.order import Order  # noqa: E402

EXPERIMENT = dataclasses.replace(toy_experiment(max_retries=2), workload="toy:ToyWorkload")
DEATH = Failure("death", "a worker died: worker 1: gone")
RESET = Failure("error", "ConnectionError: reset")
MISSING = Failure("final", "the store is gone", "DataError")
NEVER = Failure("death", "2 workers did not start within 150 s", "ResourceError")
KEPT = r"\. Its last checkpoint is kept; run the same command to resume"


class Groups:
    """In place of GroupStart and Group: each fails as it is told to at its first epoch."""

    def __init__(self, *failures: Failure) -> None:
        self._failures = list(failures)
        self.shapes: list[GroupShape] = []
        self.num_closed = 0

    def start(self, shape: GroupShape, folder: str, is_kept: bool) -> Any:
        assert not is_kept and self.num_closed == len(self.shapes), "the one before has ended"
        self.shapes.append(shape)
        return self

    desk = result = None

    def begin(self, order: Order) -> int:
        return 0

    def advance(self) -> dict[str, Any]:
        raise AttemptFailed(self._failures.pop(0))

    def close(self, within_s: float | None) -> None:
        self.num_closed += 1


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Two nodes of three CPUs each."""
    monkeypatch.setattr(connection, "connect", lambda k: connection.Slots("CPU", 4))
    monkeypatch.setattr(connection, "check_workers", lambda *_: None)
    monkeypatch.setattr(host_checks, "check_hosts", lambda *_: None)
    nodes = [{"Alive": True, "Resources": {"CPU": 3.0}}] * 2
    monkeypatch.setattr(connection.ray, "nodes", lambda: nodes)
    return monkeypatch


@pytest.mark.parametrize(
    ("failures", "error", "told"),
    [
        ([DEATH] * 3, TrainingError, "given up after 3 attempts: a worker died: worker 1: gone" + KEPT),
        ([RESET, RESET], TrainingError, "given up after 2 attempts: ConnectionError: reset" + KEPT),
        (
            [DEATH, NEVER, NEVER],
            ResourceError,
            "given up after 3 attempts: 2 workers did not start within 150 s" + KEPT,
        ),
        ([MISSING], DataError, "the store is gone$"),
        ([DEATH, MISSING], DataError, "given up after 2 attempts: the store is gone$"),
    ],
)
def test_a_group_is_replaced_until_it_is_given_up(
    cluster: pytest.MonkeyPatch, tmp_path: Path, failures: list[Failure], error: type[TwofoldError], told: str
) -> None:
    groups = Groups(*failures)
    cluster.setattr(group, "GroupStart", groups.start)
    cluster.setattr(group, "Group", lambda _: groups)
    with pytest.raises(error, match=f"^{told}") as caught:
        run_trial(Order(EXPERIMENT, "", str(tmp_path), time.time(), num_workers=2))
    assert type(caught.value) is error
    assert len(groups.shapes) == groups.num_closed == len(failures)
    assert groups.shapes[0] == GroupShape(2, {"CPU": 1.0}, one_node=True)
    assert json.loads((tmp_path / "failure.json").read_text())["failure"] == str(caught.value)


@pytest.mark.parametrize(("k", "one_node"), [(1, True), (2, True), (4, False)])
def test_workers_that_no_node_has_room_for_are_spread(
    cluster: pytest.MonkeyPatch, tmp_path: Path, k: int, one_node: bool
) -> None:
    groups = Groups(MISSING)
    cluster.setattr(group, "GroupStart", groups.start)
    cluster.setattr(group, "Group", lambda _: groups)
    with pytest.raises(DataError, match="the store is gone"):
        run_trial(Order(EXPERIMENT, "", str(tmp_path), time.time(), num_workers=k))
    assert groups.shapes == [GroupShape(k, {"CPU": 1.0}, one_node)]
