"""A model is opened from this machine alone, whatever it names."""

import os
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

from app.configuration import from_dict
from app.errors import UsageError
from app.execution.models.model import load_model
from app.execution.models.offline import without_hub
from app.execution.models.predict import map_with_model
from app.experiment import Experiment
from app.training.checkpoint import save_best
from app.workloads.documents.image import networks as image_networks
from app.workloads.documents.image.task import DocumentImageTask
from app.workloads.documents.text import network
from app.workloads.documents.text.task import DocumentTextTask
from app.workloads.documents.text.tiny_bert import SmallBert, make_small_bert

BERT = "nobody/bert"
TASK = {"num_layers": 1, "max_length": 16, "classes": ["letter", "memo"]}
COMMIT = "0" * 40


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the hosts that were looked up; none is reached."""
    import huggingface_hub.constants

    hosts: list[str] = []

    def refuse(host: Any, *_: Any, **__: Any) -> NoReturn:
        hosts.append(str(host))
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return hosts


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache on this machine, empty."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def run(tmp_path: Path) -> str:
    """The folder of a training of a BERT that lies on the hub."""
    bert = str(tmp_path / "bert")
    sizes = SmallBert(vocabulary_size=100, hidden_size=8, num_layers=1, num_heads=1, max_length=16)
    make_small_bert(["dear sir", "total due"] * 4, bert, sizes)
    trained = network.build_network(from_dict(DocumentTextTask, {**TASK, "model": bert}))
    experiment = Experiment(name="a", workload="document_text", task={**TASK, "model": BERT})
    save_best(str(tmp_path / "run/checkpoint"), trained, experiment.to_dict(), {})
    return str(tmp_path / "run")


def texts_of(model: Any, texts: list[str]) -> Any:
    return model.workload.encode_pages(model.task, texts)["length"].tolist()


def test_a_model_that_names_the_hub_asks_nobody(run: str, cache: Path, asked: list[str]) -> None:
    with pytest.raises(UsageError, match=f"model: no configuration of {BERT}: .*local cache") as raised:
        load_model(run)
    assert "\n" not in str(raised.value)
    assert asked == []


def test_a_model_that_names_the_hub_is_opened_and_asked_from_the_cache(
    tmp_path: Path, run: str, cache: Path, asked: list[str]
) -> None:
    snapshot = cache / "models--nobody--bert/snapshots" / COMMIT
    snapshot.parent.mkdir(parents=True)
    (tmp_path / "bert").rename(snapshot)
    (cache / "models--nobody--bert/refs").mkdir()
    (cache / "models--nobody--bert/refs/main").write_text(COMMIT)
    assert load_model(run).task.model == BERT
    found = list(map_with_model(run, texts_of, [["dear sir"], ["total"]], launcher="local"))
    assert len(found) == 2
    assert asked == []


def test_a_network_of_the_hub_asks_nobody(cache: Path, asked: list[str]) -> None:
    task = DocumentImageTask(model="hf-hub:nobody/network", classes=("a", "b"), weights="random")
    with without_hub(), pytest.raises(UsageError, match=r"'hf-hub:nobody/network' is not available: .*cache"):
        image_networks.build_network(task, with_weights=False)
    assert asked == []


def test_a_training_may_ask_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as client

    monkeypatch.setattr(client, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with without_hub(), without_hub():
        assert client.is_offline_mode() and os.environ["HF_HUB_OFFLINE"] == "1"
    assert not client.is_offline_mode() and "HF_HUB_OFFLINE" not in os.environ
    monkeypatch.setattr(client, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "yes")
    with without_hub():
        pass
    assert client.is_offline_mode() and os.environ["HF_HUB_OFFLINE"] == "yes"
