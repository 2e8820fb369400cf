import zipfile
from pathlib import Path

import pytest
import torch

from app.errors import DataError, TrainingError
from app.training import checkpoint
from app.training.checkpoint import Progress
from app.training.ema import start_average
from app.training.optimizers import load_optimizer

CPU = torch.device("cpu")


def saved(folder: Path, step: int = 5) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    checkpoint.save_last(str(folder), model, optimizer, Progress(step=step, best={"dice": 0.5}), {"name": "x"}, {})
    return model, optimizer


def test_round_trip_keeps_weights_optimizer_and_progress(tmp_path: Path) -> None:
    model, optimizer = saved(tmp_path)
    state = checkpoint.load_last(str(tmp_path), CPU)
    assert state is not None
    torch.testing.assert_close(state["model"], model.state_dict())
    torch.testing.assert_close(state["optimizer"]["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])
    assert Progress(**state["progress"]) == Progress(step=5, best={"dice": 0.5})


def test_a_new_folder_has_none(tmp_path: Path) -> None:
    assert checkpoint.load_last(str(tmp_path), CPU) is None


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut short"])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(DataError, match=r"last\.pt: not a readable checkpoint"):
        checkpoint.load_last(str(tmp_path), CPU)


def test_one_flipped_bit_of_the_weights_is_told(tmp_path: Path) -> None:
    model, _ = saved(tmp_path)
    path = tmp_path / "last.pt"
    weights = next(iter(model.state_dict().values())).numpy().tobytes()
    content = bytearray(path.read_bytes())
    content[content.index(weights)] ^= 1
    path.write_bytes(content)
    torch.load(path, weights_only=True)  # which does not notice
    with pytest.raises(DataError, match=r"last\.pt: not a readable checkpoint"):
        checkpoint.load_last(str(tmp_path), CPU)


def test_a_bit_that_marks_weights_as_a_folder_is_told(tmp_path: Path) -> None:
    """By the zip's own CRC-32 all is whole, and torch fills the tensor with what is in memory."""
    saved(tmp_path)
    path = tmp_path / "last.pt"
    content = bytearray(path.read_bytes())
    name = content.index(b"/data/0", content.index(b"PK\x01\x02"))
    record = content.rindex(b"PK\x01\x02", 0, name)
    content[record + 38] ^= 0x10  # external attributes, 38 bytes into the record (APPNOTE 4.3.12)
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    with pytest.raises(DataError, match=r"last\.pt: not a readable checkpoint"):
        checkpoint.load_last(str(tmp_path), CPU)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (str(tmp_path / "ran"),))

    torch.save({"format": 1, "model": Runs()}, tmp_path / "last.pt")
    with pytest.raises(DataError, match="not a readable checkpoint"):
        checkpoint.load_last(str(tmp_path), CPU)
    assert not (tmp_path / "ran").exists()


def test_another_format_is_named(tmp_path: Path) -> None:
    torch.save({"format": 99}, tmp_path / "last.pt")
    with pytest.raises(DataError, match="format 99, expected 1"):
        checkpoint.load_last(str(tmp_path), CPU)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["weight", "running_var"])
def test_what_is_not_finite_is_not_written_and_the_one_before_stays(tmp_path: Path, where: str, value: float) -> None:
    folder, model = str(tmp_path), torch.nn.BatchNorm1d(2)
    optimizer = torch.optim.Adam(model.parameters())
    average = start_average(model, 0.9, None)
    assert average is not None

    def save() -> None:
        checkpoint.save_last(folder, model, optimizer, Progress(), {}, {}, average)

    save()
    checkpoint.save_best(folder, model, {}, {})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"last.pt", "best.pt"}
    spoilt = [average.module.state_dict()[where], model.state_dict()[where]]
    spoilt[0].fill_(value)
    with pytest.raises(TrainingError, match=r"last\.pt: got weights or statistics that are not finite"):
        save()
    spoilt[0].fill_(1.0)
    spoilt[1][0] = value
    with pytest.raises(TrainingError, match=r"last\.pt: got weights or statistics that are not finite"):
        save()
    with pytest.raises(TrainingError, match=r"best\.pt: got weights or statistics that are not finite"):
        checkpoint.save_best(folder, model, {}, {})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_write_that_fails_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, step=5)

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", no_space)
    with pytest.raises(DataError, match="No space left"):
        saved(tmp_path, step=6)
    monkeypatch.undo()
    state = checkpoint.load_last(str(tmp_path), CPU)
    assert state is not None and state["progress"]["step"] == 5
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


WRONG = (None, [], 1, "x", torch.zeros(3))
NAMES = ("model", "optimizer", "progress", "numerics")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *((name, value, f"{name}: got ") for name in NAMES for value in WRONG),
        ("model", {"weight": 1}, r"model: got \{'weight': 1\}, expected names with tensors"),
        ("model", {1: torch.zeros(3)}, "model: got .* expected names with tensors"),
        ("average", {"a": 3}, "average: got .* expected names with tensors"),
        ("progress", {"stpe": 3}, "progress: unknown key 'stpe': did you mean 'step'"),
        ("progress", {"step": "x"}, "progress: step: got 'x'"),
        ("progress", {"step": -1}, "progress: step: got -1, expected 0 or more"),
        ("progress", {"best": {"dice": [1]}}, r"progress: dice: got \[1\], expected a number or null"),
        ("numerics", {"precision": "fp8", "channels_last": True}, "precision: got 'fp8', expected one of fp32, bf16"),
        ("numerics", {"precision": "fp32", "channels_last": 1}, "channels_last: got 1, expected true or false"),
    ],
)
def test_what_is_not_as_it_was_written_is_one_line(tmp_path: Path, name: str, value: object, message: str) -> None:
    saved(tmp_path)
    path = tmp_path / "last.pt"
    torch.save({**torch.load(path, weights_only=True), name: value}, path)
    with pytest.raises(DataError, match=rf"last\.pt is damaged: {message}"):
        checkpoint.progress_of(checkpoint.load_last(str(tmp_path), CPU), str(tmp_path), "dice")


def test_weights_optimizer_and_average_of_others_are_one_line(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 1)
    _, optimizer = saved(tmp_path)
    state = checkpoint.load_last(str(tmp_path), CPU)
    assert state is not None
    with pytest.raises(DataError, match=r"a/last\.pt: its weights do not fit its network"):
        checkpoint.fill(model, state["model"], "a/last.pt")
    with pytest.raises(DataError, match="average: its weights do not fit its network"):
        start_average(model, 0.9, state["model"])
    for wrong in ([], {}, {"state": [], "param_groups": optimizer.state_dict()["param_groups"]}):
        with pytest.raises(DataError, match="the checkpoint's optimizer does not fit"):
            load_optimizer(optimizer, wrong)  # type: ignore[arg-type]
