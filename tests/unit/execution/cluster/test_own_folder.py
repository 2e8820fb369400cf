"""Folders of one process: closed to others, and what a killed process left is removed by the next that makes one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.execution.cluster import own_folder
from app.execution.cluster.own_folder import LOCK_NAME, PREFIX, OwnFolder

MAKE = """
import subprocess, sys
from app.execution.cluster.own_folder import OwnFolder
folder = OwnFolder()
left = subprocess.Popen(["sleep", "60"], stdout=open(f"{folder.path}/log", "w"))
print(folder.path, left.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAY_TMPDIR", str(short_path))
    return short_path


@pytest.fixture
def other(place: Path) -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """A process with a folder and a process of its own in it: itself, the folder, the process id."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert process.stdout
    path, pid = process.stdout.readline().split()
    yield process, Path(path), int(pid)
    process.kill()
    process.communicate()


def runs(pid: int) -> bool:
    """Not one that has ended and nobody has asked for."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_nobody_else_can_enter_and_nothing_stays(place: Path) -> None:
    folder = OwnFolder()
    assert Path(folder.path).parent == place
    assert Path(folder.path).stat().st_mode & 0o777 == 0o700
    (Path(folder.path) / "session").mkdir()
    folder.remove()
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_goes_at_the_next_start(
    other: tuple[subprocess.Popen[str], Path, int], place: Path
) -> None:
    process, path, pid = other
    OwnFolder().remove()
    assert path.is_dir() and runs(pid), "of a process that lives"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.is_dir() and runs(pid)
    OwnFolder().remove()
    assert list(place.iterdir()) == []
    assert not runs(pid)


def test_its_own_processes_end_with_it_and_no_others(place: Path) -> None:
    folder, another = OwnFolder(), OwnFolder()
    log = Path(folder.path, "log")
    with log.open("w") as written, log.open() as read, Path(another.path, "log").open("w") as elsewhere:
        writer, reader, other = (subprocess.Popen(["sleep", "60"], stdout=out) for out in (written, read, elsewhere))
        folder.remove()
        assert writer.wait(5) == -signal.SIGKILL
        assert (reader.poll(), other.poll()) == (None, None)
        another.remove()
        assert other.wait(5) == -signal.SIGKILL
    reader.kill()
    reader.wait()


def test_folders_of_other_hosts_and_those_being_made_and_links_stay(place: Path) -> None:
    elsewhere, young, old = (place / f"{PREFIX}{name}" for name in ("elsewhere", "young", "old"))
    for folder in (elsewhere, young, old):
        folder.mkdir()
    (elsewhere / LOCK_NAME).write_text("another host")
    os.utime(old, (0, 0))
    (place / "data").mkdir()
    (place / f"{PREFIX}link").symlink_to(place / "data")
    OwnFolder().remove()
    assert {path.name for path in place.iterdir()} == {elsewhere.name, young.name, "data", f"{PREFIX}link"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_another_user_s_stay(place: Path) -> None:
    theirs = place / f"{PREFIX}theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    os.utime(theirs, (0, 0))
    OwnFolder().remove()
    assert theirs.is_dir()


def test_a_place_whose_name_is_too_long_for_ray_s_sockets_is_not_used(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert len(str(tmp_path)) > own_folder.MAX_PLACE
    folder = OwnFolder()
    assert Path(folder.path).parent == place
    folder.remove()
    monkeypatch.setenv("TMPDIR", "/nowhere")
    folder = OwnFolder()
    assert Path(folder.path).parent == Path("/tmp")
    folder.remove()
