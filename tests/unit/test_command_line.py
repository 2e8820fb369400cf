"""How jobs end: exit codes, one line on stderr for a user's error, a trace for a bug."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.command_line import ENVIRONMENT, fail, run
from app.errors import DataError, ResourceError, TrainingError, TwofoldError, UsageError, find_user_error
from app.experiment import Experiment
from app.machine import ProcessLimit


@dataclass(frozen=True)
class Arguments:
    """What the job does."""

    store: str
    """Where the samples lie."""
    epochs: int = 3
    """How long."""


@pytest.fixture(autouse=True)
def _same_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, os.environ.get(name, "0"))
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ending(main: Callable[[Any], None], argv: list[str] | None = None) -> int:
    with pytest.raises(SystemExit) as caught:
        run(Arguments, main, ["--store", "s"] if argv is None else argv)
    code = caught.value.code
    assert isinstance(code, int)
    return code


def raising(error: BaseException) -> Callable[[Any], None]:
    def main(arguments: Arguments) -> None:
        raise error

    return main


def test_flags_become_arguments() -> None:
    seen: list[Arguments] = []
    run(Arguments, seen.append, ["--store", "s", "--epochs", "5"])
    assert seen == [Arguments("s", 5)]


def test_subcommands_become_arguments() -> None:
    seen: list[Any] = []
    run({"brats": Arguments}, seen.append, ["brats", "--store", "s"])
    run({"brats": Arguments, "documents": Arguments}, seen.append, ["documents", "--store", "t"])
    assert seen == [Arguments("s"), Arguments("t")]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TwofoldError("m"), 1),
        (UsageError("m"), 2),
        (DataError("m"), 3),
        (ResourceError("m"), 4),
        (TrainingError("m"), 5),
    ],
)
def test_errors_for_the_user_are_one_line_and_a_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending(raising(error)) == code
    captured = capsys.readouterr()
    assert captured.err == "error: m\n"
    assert captured.out == ""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError("can't start new thread"),
            "no further process or thread can be started: a limit is 40 processes",
        ),
        (BlockingIOError(11, "Resource temporarily unavailable"), "no further process or thread can be started: a lim"),
        (MemoryError("Unable to allocate 3 TiB"), "this machine's memory ran out (Unable to allocate 3 TiB): end "),
    ],
)
def test_what_the_machine_refuses_is_one_line(
    error: Exception, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.command_line.process_limits", lambda: [ProcessLimit("a limit", 40, 39)])
    assert ending(raising(error)) == 4
    line = capsys.readouterr().err
    assert line.startswith(f"error: {told}") and line.count("\n") == 1


def test_a_message_of_several_lines_becomes_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(raising(DataError("no store:\n  a\n\n  b"))) == 3
    assert capsys.readouterr().err == "error: no store:; a; b\n"


def test_an_error_without_a_message_still_says_something(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fail("", 3)
    assert capsys.readouterr().err == "error: without a message\n"


def test_an_interrupted_job_exits_as_shells_expect(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_a_configuration_that_checks_itself_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    def main(arguments: Arguments) -> None:
        Experiment.from_dict({"name": "a", "workload": "w", "epoch": 3})

    assert ending(main) == 2
    assert capsys.readouterr().err == "error: unknown key 'epoch': did you mean 'epochs'?\n"


def test_a_bug_shows_its_trace() -> None:
    with pytest.raises(KeyError):
        run(Arguments, raising(KeyError("x")), ["--store", "s"])

    def broken(arguments: Arguments) -> None:
        np.zeros(2) + np.zeros(3)

    with pytest.raises(ValueError, match="broadcast"):
        run(Arguments, broken, ["--store", "s"])
    with pytest.raises(ValueError, match="invalid literal"):
        run(Arguments, lambda arguments: int(arguments.store), ["--store", "s"])

    def refuse(arguments: Arguments) -> None:
        raise ValueError("a plain one, also where it is ours")

    with pytest.raises(ValueError, match="a plain one"):
        run(Arguments, refuse, ["--store", "s"])


def test_what_an_error_was_raised_from_does_not_stand_in_its_place() -> None:
    outer = DataError("plan.json is damaged: epochs: got 0")
    outer.__cause__ = UsageError("epochs: got 0")
    found = find_user_error(WrappedError(outer))
    assert type(found) is DataError and str(found) == "plan.json is damaged: epochs: got 0"


class WrappedError(RuntimeError):
    """As Ray wraps a worker's error: the message holds a remote trace, the cause is an attribute."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("remote trace\nof many lines")
        self.cause = cause


class WorkersFailedError(RuntimeError):
    def __init__(self, failures: dict[int, Exception]) -> None:
        super().__init__("worker errors")
        self.worker_failures = failures


@pytest.mark.parametrize(
    "error",
    [
        WrappedError(DataError("no store")),
        WrappedError(WrappedError(DataError("no store"))),
        WorkersFailedError({0: RuntimeError("peer lost"), 1: WrappedError(DataError("no store"))}),
    ],
)
def test_errors_from_workers_show_what_the_worker_said(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(raising(error)) == 3
    assert capsys.readouterr().err == "error: no store\n"


def test_an_error_that_ray_made_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    from ray.exceptions import RayTaskError

    remote = RayTaskError("f", "Traceback (most recent call last):\n  many\nDataError: no store", DataError("no store"))
    assert ending(raising(remote.as_instanceof_cause())) == 3
    assert capsys.readouterr().err == "error: no store\n"


def test_an_unknown_flag_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(raising(AssertionError("not reached")), ["--store", "s", "--epoch", "5"]) == 2
    captured = capsys.readouterr()
    assert "--epochs" in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("argv", [[], ["--store", "s", "--epochs", "many"]])
def test_missing_and_wrong_flags_exit_with_the_code_of_usage(argv: list[str]) -> None:
    assert ending(raising(AssertionError("not reached")), argv) == 2


def test_help_shows_the_docstrings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(Arguments, raising(AssertionError("not reached")), ["--help"], description="Counts sheep.")
    assert not caught.value.code
    shown = capsys.readouterr().out
    for part in ("Counts sheep.", "--store", "Where the samples lie.", "--epochs", "How long."):
        assert part in shown


def test_nothing_is_sent_unless_the_user_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    run(Arguments, lambda arguments: None, ["--store", "s"])
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert os.environ["RAY_DATA_USAGE_DISABLED"] == "1"
    assert os.environ["TOKENIZERS_PARALLELISM"] == "true"


def test_a_job_as_a_process(tmp_path: Path) -> None:
    job = tmp_path / "job.py"
    job.write_text(
        '"""Herds sheep."""\n'
        "from dataclasses import dataclass\n"
        "from app.errors import UsageError\n"
        "@dataclass(frozen=True)\n"
        "class Arguments:\n"
        "    num_sheep: int = 1\n"
        "def main(arguments):\n"
        "    if arguments.num_sheep < 1:\n"
        "        raise UsageError(f'num_sheep: got {arguments.num_sheep}, expected 1 or more')\n"
        "    print('done')\n"
        'if __name__ == "__main__":\n'
        "    from app.command_line import run\n"
        "    run(Arguments, main)\n"
    )

    def ended(*flags: str) -> tuple[int, str, str]:
        done = subprocess.run([sys.executable, str(job), *flags], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    assert ended() == (0, "done\n", "")
    assert ended("--num-sheep", "0") == (2, "", "error: num_sheep: got 0, expected 1 or more\n")
    code, out, _ = ended("--help")
    assert code == 0
    assert "Herds sheep." in out
    reading, writing = os.pipe()
    os.close(reading)  # as of `--help | head`, once it has read enough
    closed = subprocess.run([sys.executable, str(job), "--help"], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (closed.returncode, closed.stderr) == (1, b"")


def test_a_long_value_in_an_error_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fail(f"got {'9' * 100_000}, expected 1 to 3", 2)
    line = capsys.readouterr().err
    assert line.startswith("error: got 999") and line.endswith("9, expected 1 to 3\n") and len(line) < 5000
