"""The fetch job, from an archive on this machine; and what it says without a network."""

import importlib.util
import socket
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from app.command_line import run
from app.workloads.brats.layouts import detect_layout
from app.workloads.brats.synthetic import SyntheticSet, finish_set, open_set, write_cases

JOB = Path(__file__).parents[3] / "jobs" / "fetch.py"


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("job_fetch", JOB)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "job_fetch", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A tar as the Decathlon distributes it, of two small synthetic cases."""
    folder, which = tmp_path / "made", SyntheticSet(num_cases=2, num_test_cases=0, shape=(28, 26, 24))
    list(write_cases(str(folder), which, open_set(str(folder), which), 1))
    finish_set(str(folder), which)
    path = tmp_path / "Task01_BrainTumour.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(folder, "Task01_BrainTumour", filter=lambda m: None if Path(m.name).name.startswith(".") else m)
    return path


def call(fetch: ModuleType, *flags: str) -> None:
    run({"msd-brain": fetch.FetchMsdBrain}, fetch.main, ["msd-brain", *flags], fetch.__doc__)


def test_archive_on_this_machine(
    fetch: ModuleType, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(fetch, "--out", str(tmp_path / "out"), "--source", archive.as_uri())
    layout, cases = detect_layout(str(tmp_path / "out" / "Task01_BrainTumour"))
    assert (layout, [case.id for case in cases]) == ("msd", ["BRATS_001", "BRATS_002"])
    assert archive.exists()  # the user's own file is never removed
    assert "2 training images" in capsys.readouterr().out
    call(fetch, "--out", str(tmp_path / "out"), "--source", "file:///nowhere")
    assert "is there already" in capsys.readouterr().out


def test_wrong_checksum(fetch: ModuleType, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call(fetch, "--out", str(tmp_path / "out"), "--source", archive.as_uri(), "--md5", "0" * 32)
    assert ended.value.code == 3
    assert "wanted 00000000000000000000000000000000" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_offline(
    fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/Task01_BrainTumour.tar"
        monkeypatch.setattr(fetch, "published_address", lambda: (address, "0" * 32))
        with pytest.raises(SystemExit) as ended:
            call(fetch, "--out", str(tmp_path / "out"))
    assert ended.value.code == 3
    told = capsys.readouterr().err
    assert told.startswith("error: can not reach 127.0.0.1")
    assert told.count("\n") == 1


@pytest.mark.slow
def test_published_address(fetch: ModuleType) -> None:
    address, md5 = fetch.published_address()
    assert address.startswith("https://")
    assert address.endswith("/Task01_BrainTumour.tar")
    assert len(bytes.fromhex(md5)) == 16
