"""Files with initial weights: what is none is one line, before anything of it is used."""

from pathlib import Path

import pytest
import torch

from app.errors import DataError, UsageError
from app.workloads.initial_weights import load_file


@pytest.mark.parametrize(
    "content",
    [[1], torch.zeros(3), 3, "x", None, {"model": [1]}, {"model": 3}, {"state_dict": None}],
    ids=lambda content: repr(content)[:20],
)
@pytest.mark.parametrize("place", ["w.pt", "run/checkpoint/best.pt"])
def test_what_holds_no_weights_is_refused(tmp_path: Path, content: object, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, tmp_path / place)
    with pytest.raises(DataError, match=r"\.pt holds no weights: got .*, expected names with tensors"):
        load_file(torch.nn.Linear(2, 1), str(tmp_path / place.split("/")[0]))


def test_what_is_no_tensor_of_a_name_is_left_out(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 1)
    weights = {name: value + 1 for name, value in network.state_dict().items()}
    torch.save({"state_dict": {**weights, "epoch": 3, 7: torch.zeros(3)}}, tmp_path / "w.pt")
    assert load_file(network, str(tmp_path / "w.pt"))["num_loaded"] == 2
    torch.testing.assert_close(network.state_dict(), weights)
    torch.save({7: torch.zeros(3), "bias": 3}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="fits 0 of the network's 2 tensors"):
        load_file(network, str(tmp_path / "w.pt"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    """Else a training finds out after its first step, and does not know why."""
    torch.save({"weight": torch.tensor([[1.0, value]]), "bias": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(DataError, match=r"w\.pt: weight: got weights that are not finite"):
        load_file(torch.nn.Linear(2, 1), str(tmp_path / "w.pt"))


def test_one_flipped_bit_of_the_weights_is_told(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save({"weight": torch.tensor([[0.25, 0.5]]), "bias": torch.zeros(1)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(torch.tensor([0.25, 0.5]).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    torch.load(path, weights_only=True)  # which does not notice
    with pytest.raises(DataError, match=r"w\.pt holds no weights that can be read: wrong CRC-32"):
        load_file(torch.nn.Linear(2, 1), str(path))


def test_the_format_before_zip_is_read(tmp_path: Path) -> None:
    weights = torch.nn.Linear(2, 1).state_dict()
    torch.save(weights, tmp_path / "w.pt", _use_new_zipfile_serialization=False)
    assert load_file(torch.nn.Linear(2, 1), str(tmp_path / "w.pt"))["num_loaded"] == 2
