"""Asking for hosts, without a cluster."""

import atexit
from typing import Any

import pytest
import ray
from ray.autoscaler import sdk

from app.errors import UsageError
from app.execution.cluster import on_demand
from app.execution.cluster.on_demand import ask_for_gpus


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    asked: list[Any] = []
    monkeypatch.setattr(sdk, "request_resources", lambda bundles: asked.append(bundles))
    monkeypatch.setattr(atexit, "register", lambda function, **options: asked.append(("at the end", options)))
    monkeypatch.setattr(on_demand, "POLL_S", 0.0)
    return asked


def test_gpus_are_asked_for_until_the_job_ends_and_waited_for(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(on_demand.WITHIN, "60")
    there = iter([{"CPU": 8.0}, {"CPU": 8.0, "GPU": 1.0}, {"CPU": 8.0, "GPU": 2.0}])
    monkeypatch.setattr(ray, "cluster_resources", lambda: next(there))
    ask_for_gpus(2)
    assert asked == [[{"GPU": 1}, {"GPU": 1}], ("at the end", {"bundles": []})]
    assert next(there, None) is None
    assert capsys.readouterr().out == "waiting for hosts with 2 GPUs in all, 60 s at most\n"


def test_the_wait_ends(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(on_demand.WITHIN, "0.05")
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0})
    ask_for_gpus(1)
    assert len(asked) == 2


@pytest.mark.parametrize(("within", "num"), [(None, 2), ("60", 0)])
def test_nothing_is_asked_for_where_none_come_or_none_are_needed(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, within: str | None, num: int
) -> None:
    monkeypatch.delenv(on_demand.WITHIN, raising=False)
    if within is not None:
        monkeypatch.setenv(on_demand.WITHIN, within)
    ask_for_gpus(num)
    assert asked == []


@pytest.mark.parametrize("within", ["20 minutes", "-1", "nan", "inf"])
def test_a_time_that_is_none_is_told_before_anything_is_asked_for(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, within: str
) -> None:
    monkeypatch.setenv(on_demand.WITHIN, within)
    with pytest.raises(UsageError, match=f"TWOFOLD_HOSTS_WITHIN_S: got '{within}', expected seconds, 0 or more"):
        ask_for_gpus(2)
    assert asked == []


def test_a_time_that_is_empty_is_none_given(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(on_demand.WITHIN, "")
    ask_for_gpus(2)
    assert asked == []
