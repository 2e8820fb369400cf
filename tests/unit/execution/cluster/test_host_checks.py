"""What is judged of the hosts' answers, and what a host answers; hosts themselves are asked in tests/cluster."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.execution.cluster import host_checks
from app.execution.cluster.host_checks import Answer, named_paths, problems, witness
from app.experiment import Experiment

MINE = Answer(
    versions={"python": "3.11.2", "torch": "2.9.0+cpu", "ray": "2.60.0"},
    sources={"a.py": "1", "b.py": "2"},
    read={"/s/manifest.parquet": "abc", "/w": "a folder"},
)
SHARED = (
    "wanted: stores, data and runs on a file system that every host has at the same path, or at an address such as "
    "s3://bucket/runs"
)


@pytest.mark.parametrize(
    "other",
    [
        MINE,
        replace(MINE, versions={**MINE.versions, "torch": "2.9.0+cu128", "extra": "1"}),
        replace(MINE, sources={**MINE.sources, "old.py": "3"}),  # left by an earlier state of the project
    ],
)
def test_hosts_that_see_the_same_are_no_problem(other: Answer) -> None:
    assert problems(MINE, {"w1": MINE, "w2": other}) == []


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (
            replace(MINE, versions={"python": "3.11.4", "ray": "2.60.0"}),
            (
                "has python 3.11.4, no torch, this job python 3.11.2, torch 2.9.0+cpu: `make cluster-up` sets up every "
                "host with constraints.txt"
            ),
        ),
        (
            replace(MINE, sources={"a.py": "1", "b.py": "other"}),
            (
                "has other files of the project than this job (b.py): `make cluster-up` sends the same to every host, "
                "and jobs/submit.py sends them with a job"
            ),
        ),
        (
            replace(MINE, sources={}),
            "has not the project: `make cluster-up` sends it, and jobs/submit.py sends it with a job",
        ),
        (replace(MINE, read={"/w": "a folder"}), f"/s/manifest.parquet is not there; {SHARED}"),
        (
            replace(MINE, read={**MINE.read, "/s/manifest.parquet": "other"}),
            f"/s/manifest.parquet is another than on the host that asks; {SHARED}",
        ),
        (replace(MINE, written="/runs is not shared"), f"/runs is not shared; {SHARED}"),
        ("no module", "does not run this job's tasks: no module"),
    ],
)
def test_each_difference_is_told_with_the_host(other: Any, told: str) -> None:
    assert problems(MINE, {"w1": MINE, "w2 (10.0.0.2)": other}) == [f"host w2 (10.0.0.2): {told}"]


def test_hosts_with_the_same_trouble_are_told_together_and_what_to_do_once() -> None:
    blind = replace(MINE, read={}, written="/runs is not shared")
    found = problems(MINE, {f"w{number}": blind for number in range(5)})
    assert found == [
        "hosts w0, w1, w2 and 2 more: /s/manifest.parquet is not there",
        "hosts w0, w1, w2 and 2 more: /w is not there",
        f"hosts w0, w1, w2 and 2 more: /runs is not shared; {SHARED}",
    ]


def test_what_the_asking_host_lacks_itself_is_not_held_against_others() -> None:
    assert problems(replace(MINE, read={"/gone": None}), {"w1": replace(MINE, read={"/gone": None})}) == []


def test_a_folder_is_told_by_its_manifest_or_the_first_file_in_it(tmp_path: Path) -> None:
    (tmp_path / "store" / "cases").mkdir(parents=True)
    assert witness(str(tmp_path / "store")) == str(tmp_path / "store" / "cases"), "empty as yet"
    (tmp_path / "store" / "cases" / "1.json").touch()
    (tmp_path / "store" / ".part").touch()
    assert witness(str(tmp_path / "store")) == str(tmp_path / "store" / "cases" / "1.json")
    (tmp_path / "store" / "manifest.parquet").touch()
    assert witness(str(tmp_path / "store")) == str(tmp_path / "store" / "manifest.parquet")
    assert witness(str(tmp_path / "none")) == str(tmp_path / "none")


def test_paths_among_a_tasks_options(tmp_path: Path) -> None:
    task = {"weights": str(tmp_path), "model": "bert-base-uncased", "other": str(tmp_path / "none"), "size": 3}
    assert named_paths(Experiment(name="t", workload="toy", task=task)) == [str(tmp_path)]


def test_a_host_says_what_it_has_and_sees(tmp_path: Path) -> None:
    (tmp_path / "manifest.parquet").write_bytes(b"cases")
    token = tmp_path / ".token"
    token.touch()
    paths = [str(tmp_path), str(tmp_path / "manifest.parquet"), str(tmp_path / "none")]
    found = Answer(**host_checks._looker()(("numpy", "no-such-package"), paths, str(token), 0.0))
    assert set(found.versions) == {"python", "numpy"}
    assert found.read == dict(zip(paths, ["a folder", hashlib.sha256(b"cases").hexdigest(), None], strict=True))
    source = Path(host_checks.__file__).read_bytes()
    assert found.sources["execution/cluster/host_checks.py"] == hashlib.sha256(source).hexdigest()
    assert found.written is None and sorted(os.listdir(tmp_path)) == [".token", "manifest.parquet"]


def test_a_host_that_does_not_see_what_was_written_says_so_after_a_while(tmp_path: Path) -> None:
    found = host_checks._looker()((), (), str(tmp_path / ".token"), 0.2)
    assert found["written"] == f"{tmp_path} is not shared: what the asking host writes there is not seen"


def test_the_file_that_others_look_for_is_gone_afterwards(tmp_path: Path) -> None:
    runs = tmp_path / "runs" / "new"
    with host_checks._token(str(runs)) as token:
        assert token is not None and os.listdir(runs) == [os.path.basename(token)]
    assert os.listdir(runs) == []
    with host_checks._token("s3://bucket/runs") as token:
        assert token is None


def test_one_host_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(host_checks, "_others", dict)
    host_checks.check_hosts([str(tmp_path)], str(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def test_one_line_names_what_is_wrong_and_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def blind(look: Any, hosts: Any, arguments: Any) -> dict[str, Answer | str]:
        mine = Answer(**look(*arguments))
        return {"w1": replace(mine, read=dict.fromkeys(mine.read))}

    monkeypatch.setattr(host_checks, "_others", lambda: {"id": "w1"})
    monkeypatch.setattr(host_checks, "_ask", blind)
    (tmp_path / "manifest.parquet").touch()
    with pytest.raises(host_checks.ResourceError) as error:
        host_checks.check_hosts([str(tmp_path), "s3://bucket/store"], str(tmp_path))
    assert str(error.value) == f"host w1: {tmp_path}/manifest.parquet is not there; {SHARED}"
    assert os.listdir(tmp_path) == ["manifest.parquet"]
