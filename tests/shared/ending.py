"""Fixtures that run jobs as their command lines do, in this process: how each ended, and SIGTERM in its middle."""

import os
import pkgutil
import runpy
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

JOBS = Path(__file__).parents[2] / "jobs"
STOPPED = "error: stopped; run the same command to resume\n"
ADVANCE = "app.console._plain_advance"
"""Where a job has done its first item."""

Ending = Callable[..., tuple[int, str]]
StopAt = Callable[[str], list[str]]


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Ending]:
    """`ending("train", *flags)` runs jobs/train.py: its exit code, and all that came to stderr."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.syspath_prepend(str(JOBS))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def call(name: str, *flags: object) -> tuple[int, str]:
        path = next(path for path in (JOBS / f"{name}.py", JOBS / name) if path.exists())
        monkeypatch.setattr(sys, "argv", [f"jobs/{path.name}", *map(str, flags)])
        capfd.readouterr()
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as ended:
            return int(str(ended.code)), capfd.readouterr().err
        return 0, capfd.readouterr().err

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> StopAt:
    """`stop_at("app.module.function")` sends SIGTERM to this process when the function is next called; of ADVANCE, when
    what it returns is. The list then holds the place."""

    def arrange(place: str) -> list[str]:
        parent, _, name = place.rpartition(".")
        owner = pkgutil.resolve_name(parent)
        original, reached = getattr(owner, name), list[str]()

        def stop() -> None:
            if not reached:
                reached.append(place)
                os.kill(os.getpid(), signal.SIGTERM)

        def call(*arguments: Any, **named: Any) -> Any:
            if place != ADVANCE:
                stop()
                return original(*arguments, **named)
            advance = original(*arguments, **named)

            def counted(*arguments: Any) -> None:
                advance(*arguments)
                stop()

            return counted

        monkeypatch.setattr(owner, name, call)
        return reached

    return arrange


def check_it_resumes(ending: Ending, stop_at: StopAt, place: str, *command: object) -> None:
    """SIGTERM at `place` ends the command with 130 and the line that says how to resume; again it comes to its end."""
    reached = stop_at(place)
    assert ending(*command) == (130, STOPPED)
    assert reached == [place]
    assert ending(*command) == (0, "")
