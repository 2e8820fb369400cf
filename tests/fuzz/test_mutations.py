"""Every kind of file, damaged in hundreds of ways: what was written is read, or one line soon says what is wrong.

`make fuzz` tries thousands; FUZZ=N is their number a file, FUZZ_SEED another choice of them.
"""

import faulthandler
import os
import resource
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from mutations import ANEW, mutations
from subject import Subject
from subjects import SUBJECTS

from app.checksum import PREFIX
from app.errors import DataError, TrainingError, TwofoldError

NUM = int(os.environ.get("FUZZ", "200"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
WITHIN_S = 10.0
"""Assumed: of processor time, so that a busy machine does not matter."""
ROOM_BYTES = 2 * 2**30
"""That reading a small file may take beyond what the process has."""

EACH = [
    pytest.param(subject, name, id=f"{title}: {name}")
    for title, subject in SUBJECTS.items()
    for name in subject.mutated
]


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """What a file claims to need is not asked for: memory ends here, and so does waiting."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    used = int(fields["VmData"].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (used + ROOM_BYTES, before[1]))
    faulthandler.dump_traceback_later(600 + NUM, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    resource.setrlimit(resource.RLIMIT_DATA, before)


def verdict(subject: Subject, folder: Path, right: object, is_sealed: bool) -> str | None:
    """What is wrong with how the folder is read; None: nothing."""
    begun_s = time.process_time()
    try:
        found = subject.read(folder)
        told = None
        if is_sealed and found != right:
            told = "read as something else than was written"
    except TwofoldError as error:
        text = str(error).strip()
        told = None if error.exit_code in (2, 3) and text else f"exit code {error.exit_code}: {text}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | pytest.exit.Exception):
            raise
        told = f"{type(error).__name__}: {str(error)[:200]} ({_place(error)})"
    took_s = time.process_time() - begun_s
    return told or (f"took {took_s:.0f} s" if took_s > WITHIN_S else None)


def _place(error: BaseException) -> str:
    """The last line of ours that it went through."""
    trace, place = error.__traceback__, "?"
    while trace is not None:
        if "/app/" in trace.tb_frame.f_code.co_filename:
            place = f"{trace.tb_frame.f_code.co_filename.rsplit('/app/')[-1]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


@pytest.mark.parametrize(("subject", "name"), EACH)
def test_damage_is_told_or_does_no_harm(subject: Subject, name: str, tmp_path: Path) -> None:
    subject.make(tmp_path)
    path = tmp_path / name
    content, right = path.read_bytes(), subject.read(tmp_path)
    faults = {}
    for what, mutated in mutations(name, content, max(20, int(NUM * subject.share)), SEED):
        path.write_bytes(mutated)
        # What never had a checksum in it is taken as it is.
        is_sealed = subject.is_sealed and (PREFIX.encode() in mutated or PREFIX.encode() not in content)
        is_sealed = is_sealed and not what.startswith(ANEW)
        if (told := verdict(subject, tmp_path, right, is_sealed)) is not None:
            faults.setdefault(told, what)
    path.write_bytes(content)
    assert not faults, "\n".join(f"{what}: {told}" for told, what in list(faults.items())[:20])
    assert subject.read(tmp_path) == right


@pytest.mark.parametrize(
    ("ends_with", "is_sealed", "told"),
    [
        ("right", True, None),
        ("other", False, None),
        ("other", True, "read as something else than was written"),
        (DataError("a.json: damaged"), True, None),
        (DataError(" "), True, "exit code 3: "),
        (TrainingError("lost"), False, "exit code 5: lost"),
        (KeyError("a"), False, "KeyError: 'a' (?)"),
        (MemoryError(), False, "MemoryError:  (?)"),
    ],
)
def test_what_is_no_line_to_the_user_is_a_fault(
    tmp_path: Path, ends_with: str | Exception, is_sealed: bool, told: str | None
) -> None:
    def read(_: Path) -> str:
        if isinstance(ends_with, Exception):
            raise ends_with
        return ends_with

    assert verdict(Subject(lambda _: None, read, ()), tmp_path, "right", is_sealed) == told


def test_what_takes_long_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eleven seconds of processor time, where ten are allowed."""
    clock = iter((100.0, 111.0))
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    assert verdict(Subject(lambda _: None, lambda _: 1, ()), tmp_path, 1, True) == "took 11 s"


@pytest.mark.parametrize("title", ["scans", "scans of the Decathlon"])
def test_undamaged_scans_are_taken(title: str, tmp_path: Path) -> None:
    """Else damage would meet cases that are refused as they are."""
    SUBJECTS[title].make(tmp_path)
    assert SUBJECTS[title].read(tmp_path) == ["Case", "Case"]


def test_a_seed_gives_the_same_mutations() -> None:
    first, second, other = (
        [zlib.crc32(mutated) for _, mutated in mutations("a.json", b'{"a": [1, {"b": 2}]}', 60, seed)]
        for seed in (1, 1, 2)
    )
    assert first == second != other
    assert len(set(first)) > 40
