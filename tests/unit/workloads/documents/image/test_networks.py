"""Initial weights: loaded where they fit, named in the record, never silently random; frozen statistics stay."""

from pathlib import Path

import pytest
import timm
import torch

from app.errors import DataError, UsageError
from app.execution.trials.record import note_origin, told_origin
from app.workloads.documents.image.networks import build_network, mean_and_std
from app.workloads.documents.image.task import DocumentImageTask
from app.workloads.initial_weights import load_fitting

MODEL = "test_efficientnet"
"""A network of timm's for tests: 0.4 M parameters."""


def task(**options: object) -> DocumentImageTask:
    values = {"model": MODEL, "weights": "random", "classes": ("a", "b", "c"), "image_size": 32}
    return DocumentImageTask(**{**values, **options})  # type: ignore[arg-type]


def test_efficientnet_b0_has_the_published_number_of_parameters() -> None:
    network = build_network(task(model="efficientnet_b0", classes=tuple("abcdefghijklmnop")))
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == 4.03


def test_weights_of_a_run_are_loaded_but_for_the_head(tmp_path: Path) -> None:
    source = build_network(task(classes=("x", "y")))
    (tmp_path / "checkpoint").mkdir()
    torch.save({"model": source.state_dict()}, tmp_path / "checkpoint" / "best.pt")
    found = build_network(task(weights=str(tmp_path)))
    assert found.origin["new"] == ["classifier.bias", "classifier.weight"]
    assert found.origin["source"] == str(tmp_path / "checkpoint" / "best.pt")
    theirs, ours = source.state_dict(), found.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours if "classifier" not in key)


def test_what_the_weights_of_a_smaller_network_leave_random_is_said(tmp_path: Path) -> None:
    """B0's in B1: timm's two networks share the names and shapes of 360 of B1's 508 tensors, head not counted."""
    b0, b1 = (timm.create_model(f"efficientnet_{size}", num_classes=3) for size in ("b0", "b1"))
    saved = tmp_path / "b0.pt"
    torch.save(b0.state_dict(), saved)
    theirs, ours = b0.state_dict(), b1.state_dict()
    fits = {key for key in ours if key in theirs and theirs[key].shape == ours[key].shape}
    origin = build_network(task(model="efficientnet_b1", weights=str(saved))).origin
    assert (origin["num_loaded"], len(ours)) == (len(fits), 508) and set(origin["new"]) == set(ours) - fits
    note_origin(str(tmp_path), origin)
    told = told_origin("run", str(tmp_path))
    assert told is not None and told.startswith(f"run: {len(fits)} of 508 tensors are from {saved}; random: blocks.")
    assert told.endswith(f"and {508 - len(fits) - 4} more")
    assert told_origin("other", str(tmp_path / "other")) is None


@pytest.mark.parametrize("num_fitting", [9, 10])
def test_weights_of_which_half_fits_are_taken_and_fewer_are_not(num_fitting: int) -> None:
    network = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(10)))  # 20 tensors
    weights = dict(list(network.state_dict().items())[:num_fitting])
    if num_fitting == 10:
        assert len(load_fitting(network, weights, "a file")["new"]) == 10
        return
    with pytest.raises(UsageError, match="a file fits 9 of the network's 20 tensors, expected at least 50%"):
        load_fitting(network, weights, "a file")


def test_weights_that_can_not_be_had_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a file nor the folder"):
        build_network(task(weights=str(tmp_path / "nowhere")))
    other = tmp_path / "other.pt"
    torch.save({"something": torch.zeros(3)}, other)
    with pytest.raises(UsageError, match="another network"):
        build_network(task(weights=str(other)))
    other.write_bytes(b"PK no zip")
    with pytest.raises(DataError, match="can be read"):
        build_network(task(weights=str(other)))
    with pytest.raises(UsageError, match="unknown network 'efficientnet_b99'"):
        build_network(task(model="efficientnet_b99"))
    with pytest.raises(UsageError, match="no classes"):
        build_network(task(classes=()))


def test_frozen_statistics_stay_in_training() -> None:
    image = torch.randn(2, 3, 32, 32) + 5
    for norm, stays in (("frozen", True), ("batch", False)):
        network = build_network(task(norm=norm))  # in training mode as it comes: nothing calls train() first
        before = {key: value.clone() for key, value in network.state_dict().items() if "running_mean" in key}
        network(image)
        after = network.state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before) is stays
        assert all(p.requires_grad for p in network.parameters())


def test_mean_and_std_are_those_of_imagenet() -> None:
    assert mean_and_std(task(model="efficientnet_b0")) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("model", ["test_efficientnet", "efficientnet_b0", "efficientnet_b2", "resnet18"])
@pytest.mark.parametrize("training", [False, True])
def test_synchronised_norms_change_no_output(model: str, training: bool) -> None:
    """With the same weights and the batch on one worker: each norm keeps the activation that timm has put into it."""
    torch.manual_seed(0)
    plain = build_network(task(model=model, dropout=0.0)).train(training)
    synchronised = build_network(task(model=model, dropout=0.0, norm="sync")).train(training)
    synchronised.load_state_dict(plain.state_dict())
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in synchronised.modules())
    image = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(synchronised(image), plain(image), rtol=0, atol=0)
