"""Plain lines where there is no terminal, a live bar where there is one."""

import io
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from app import console


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def test_say_writes_one_line_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    text = "[bold]epoch[/bold] 3: 0.5 :smile: " + "x" * 500
    console.say(text)
    assert capsys.readouterr().out == text + "\n"


def test_progress_without_a_terminal_is_a_line_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("prepare", total=3) as advance:
        advance()
        assert capsys.readouterr().out == ""  # less than PLAIN_INTERVAL_S after the start
        advance(2, "1 bad")
    assert capsys.readouterr().out == "prepare: 3/3  0 s, ETA 0 s  1 bad\n"


def test_progress_without_a_terminal_says_when_it_will_be_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with console.progress("prepare", total=10) as advance:
        now += console.PLAIN_INTERVAL_S + 1  # 6 s for 2 of 10: 24 s for the other 8
        advance(2)
        now += 1.0
        advance(1)  # too soon for another line
        now += console.PLAIN_INTERVAL_S
        advance(1)  # 12 s for 4 of 10: 18 s for the other 6
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["prepare: 2/10  6 s, ETA 24 s", "prepare: 4/10  12 s, ETA 18 s"]


def test_progress_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("prepare", total=0):
        pass
    assert capsys.readouterr().out == ""


def test_progress_on_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(console, "console", lambda: Console(file=screen, force_terminal=True, width=120))
    with console.progress("prepare", total=3) as advance:
        advance(3, "[1] :x: bad")
    shown = screen.getvalue()
    assert "\x1b[" in shown
    assert "prepare" in shown
    assert "3/3" in shown
    assert "[1] :x: bad" in shown


def test_names_reach_no_terminal_as_codes_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A case may be called so; a live bar has a line, which no name ends."""
    screen = io.StringIO()
    monkeypatch.setattr(console, "console", lambda: Console(file=screen, force_terminal=True, width=150))
    with console.progress("unpack \x1b[31mset", total=2) as advance:
        advance(2, "a\x1b]0;owned\x07\nerror: all is lost http://me:secret@host")
    shown = screen.getvalue()
    assert r"unpack \x1b[31mset" in shown and r"a\x1b]0;owned\x07\nerror: all is lost http://me:***@host" in shown
    assert "secret" not in shown


def test_a_cell_of_a_table_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """rich takes a `str` for its markup, and raises where a tag ends that none began."""
    screen = io.StringIO()
    table = Table(title=console.plain("[/x] [bold]s[/bold]"))
    table.add_column(console.plain("[link=http://a]b"))
    table.add_row(console.plain("=\x1b[2J"))
    Console(file=screen, width=80).print(table)
    for told in ("[/x] [bold]s[/bold]", "[link=http://a]b", r"=\x1b[2J"):
        assert told in screen.getvalue()


def test_lines_said_during_a_live_bar_stay_above_it(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from app.console import progress, say\n"
        "with progress('prepare', total=2) as advance:\n"
        "    advance()\n    say('case 7 is bad')\n    advance()\n"
    )
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, str(program)], stdout=theirs, stderr=theirs, env=os.environ | {"TERM": "xterm"}
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux reports the closed terminal so
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert done.wait(timeout=60) == 0
    text = shown.decode()
    assert "case 7 is bad" in text
    assert text.index("case 7 is bad") < text.rindex("2/2")
