"""The files in which a study keeps its numerics."""

import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.errors import DataError, UsageError
from app.training import choices
from app.training.choices import Choice


def choice(channels_last: bool = True, device: str = "cpu", **more: Any) -> Choice:
    return Choice("toy", device, "Net, 41 parameters", "fp32", channels_last, {"fp32": 0.25, **more})


def test_what_is_kept_first_stays(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert choices.read(folder, "k") is None
    assert choices.keep(folder, "k", choice(True)) == choice(True)
    assert choices.keep(folder, "k", choice(False)) == choice(True) == choices.read(folder, "k")
    assert choices.read(folder, "other") is None


def test_processes_that_race_end_with_one_choice(tmp_path: Path) -> None:
    keys = [f"k{number // 4}" for number in range(80)]
    offered = [choice(n=float(number)) for number in range(80)]
    with ProcessPoolExecutor(4) as pool:
        kept = list(pool.map(choices.keep, [str(tmp_path)] * 80, keys, offered))
    for number in range(0, 80, 4):
        assert kept[number : number + 4] == [choices.read(str(tmp_path), keys[number])] * 4
        assert kept[number] in offered[number : number + 4]
    assert len(list((tmp_path / "numerics").iterdir())) == 20  # nothing beside them


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "it is empty"),
        ("[" * 100_000, "nested too deep"),
        ('{"precision": "fp32"}', "missing key 'workload'"),
        (json.dumps({**vars(choice()), "precision": "fp16"}), "precision: got 'fp16'"),
        (json.dumps({**vars(choice()), "layout": 1}), "unknown key 'layout'"),
    ],
)
def test_a_damaged_choice_is_one_clear_error(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "numerics" / "k.json"
    path.parent.mkdir()
    path.write_text(content)
    for act in (
        lambda: choices.read(str(tmp_path), "k"),
        lambda: choices.keep(str(tmp_path), "k", choice()),
        lambda: choices.device_kinds(str(tmp_path)),
    ):
        with pytest.raises(DataError, match=rf"k\.json is damaged: .*{why}.*delete it"):
            act()


def test_kinds_of_device_of_a_study(tmp_path: Path) -> None:
    assert choices.device_kinds(str(tmp_path)) == []
    for key, device in (("a", "NVIDIA H100"), ("b", "cpu"), ("c", "NVIDIA H100")):
        choices.keep(str(tmp_path), key, choice(device=device))
    assert choices.device_kinds(str(tmp_path)) == ["NVIDIA H100", "cpu"]


def test_choices_of_another_run_are_taken(tmp_path: Path) -> None:
    source, folder = str(tmp_path / "a"), str(tmp_path / "b")
    with pytest.raises(UsageError, match=r"/a has chosen no numerics"):
        choices.take_over(source, folder)
    choices.keep(source, "k", choice(True))
    choices.keep(source, "l", choice(False))
    assert choices.take_over(source, folder) == 2
    assert [choices.read(folder, key) for key in "kl"] == [choice(True), choice(False)]
    assert choices.take_over(source, folder) == 2  # the same command again


def test_choices_of_another_run_do_not_replace_others(tmp_path: Path) -> None:
    source, folder = str(tmp_path / "a"), str(tmp_path / "b")
    choices.keep(source, "k", choice(True))
    choices.keep(folder, "k", choice(False))
    with pytest.raises(UsageError, match=r"/b has chosen fp32 before for Net.*has fp32\+channels_last"):
        choices.take_over(source, folder)
    choices.keep(folder, "l", choice(True, again=1.0))
    choices.keep(str(tmp_path / "c"), "l", choice(True))
    assert choices.take_over(str(tmp_path / "c"), folder) == 1  # measured again, and the same found
