"""One process at a time in a folder."""

import errno
import fcntl
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.data import files
from app.data.store.ownership import LOCK_NAME, held
from app.errors import DataError, UsageError

HOLD = """
import sys
from app.data import files
from app.data.store.ownership import held
with held(sys.argv[1], "the run"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_is_told_who_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    folder = str(tmp_path / "run")
    command = [sys.executable, "-c", HOLD, folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        told = rf"the run {re.escape(folder)} is in use by process {holder.pid} on {os.uname().nodename} since \d{{4}}-"
        with pytest.raises(UsageError, match=told), held(folder, "the run"):
            pass
        holder.kill()
        holder.wait()
    with held(folder, "the run"):
        pass


def test_nothing_is_left_behind_but_what_was_made(tmp_path: Path) -> None:
    with held(str(tmp_path / "runs" / "empty"), "the run"):
        assert (tmp_path / "runs" / "empty" / LOCK_NAME).exists()
    assert list(tmp_path.iterdir()) == []
    with held(str(tmp_path / "run"), "the run"):
        (tmp_path / "run" / "config.json").write_text("{}")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.json"]


def test_a_damaged_lock_file_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_bytes(b"\xff{")
    run = str(tmp_path)
    with held(run, "the run"), pytest.raises(UsageError, match="in use by process"), held(run, "the run"):
        pass


def test_never_two_at_a_time_though_each_removes_its_lock(tmp_path: Path) -> None:
    inside, most = 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            try:
                with held(str(tmp_path), "the run"):
                    with guard:
                        inside += 1
                        most = max(most, inside)
                    with guard:
                        inside -= 1
            except UsageError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file is not a folder"), held(str(tmp_path / "file" / "run"), "the run"):
        pass


def test_a_lock_that_is_a_link_writes_over_nothing(tmp_path: Path) -> None:
    """A store from elsewhere may come with one that leads to a file of the user's."""
    (tmp_path / "store").mkdir()
    (tmp_path / "precious").write_text("keys")
    (tmp_path / "store" / LOCK_NAME).symlink_to(tmp_path / "precious")
    told = pytest.raises(DataError, match="store cannot be written to: Too many levels of symbolic links")
    with told, held(str(tmp_path / "store"), "the store"):
        pass
    assert (tmp_path / "precious").read_text() == "keys"


def test_an_object_store_lets_everybody_in() -> None:
    with held("memory://runs/a", "the run"), held("memory://runs/a", "the run"):
        assert not files.exists("memory://runs/a")  # no lock that a killed process would leave


def test_what_a_killed_process_left_half_written_goes_and_what_is_being_written_stays(tmp_path: Path) -> None:
    """A run that is started again at once finds the half file that its death left a minute ago."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for name, age_s in ((".old.part", 3600), (".left.part", 60), (".begun.part", 0), ("model.part", 3600)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age_s,) * 2)
    with files._written_beside(str(folder / "best.pt"), b"whole") as written:
        os.utime(written, (time.time() - 60,) * 2)
        with held(str(tmp_path), "the run"):
            kept = {".begun.part", "model.part", os.path.basename(written)}
            assert {path.name for path in folder.iterdir()} == kept


def test_where_nobody_knows_locks_only_age_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    for name, age_s in ((".old.part", 3600), (".left.part", 60)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    with held(str(tmp_path), "the run"):
        assert not (tmp_path / ".old.part").exists() and (tmp_path / ".left.part").exists()
    files.write_bytes_atomic(str(tmp_path / "a"), b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"
