import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from app import console
from app.command_line import fail
from app.printable import harmless_cell, plain_cell, printable, redacted
from app.run_folder.cases import CasesFile


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("scan 1, größer, 日本", "scan 1, größer, 日本"),
        ("a\nerror: all is lost", r"a\nerror: all is lost"),
        ("a\r\x1b[2J\x07b", r"a\r\x1b[2J\x07b"),
        ("txt\u202egnp.exe", r"txt\u202egnp.exe"),
        ("half \ud83d", r"half \ud83d"),
        ("a\u2028b\x85c", r"a\u2028b\x85c"),
    ],
)
def test_what_does_not_print_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_what_the_terminal_cannot_write_is_escaped() -> None:
    assert printable("größer \ud83d", "ascii") == r"gr\xf6\xdfer \ud83d"


@given(st.text(st.characters()))
def test_it_is_one_line_that_any_terminal_takes(text: str) -> None:
    for encoding in ("ascii", "utf-8", "latin-1"):
        shown = printable(text, encoding)
        assert len(shown.splitlines()) <= 1 and shown.isprintable()
        shown.encode(encoding)


def test_a_name_makes_no_line_of_its_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    monkeypatch.setattr(console, "console", lambda: Console(file=out, width=10_000))
    console.say("quarantined a\nerror: all is lost\x1b[2J")
    assert out.getvalue() == "quarantined a\\nerror: all is lost\\x1b[2J\n"
    with pytest.raises(SystemExit):
        fail("no case 'a\x1b]0;title\x07'", 3)
    assert capsys.readouterr().err == "error: no case 'a\\x1b]0;title\\x07'\n"


def test_an_ascii_only_output_gets_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    console.say("größer")
    assert raw.getvalue() == b"gr\\xf6\\xdfer\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot read http://me:SECRET@host:80/a: not found", "cannot read http://me:***@host:80/a: not found"),
        ("mlflow:https://me:SE@CR:ET@host", "mlflow:https://me:***@host"),
        ("simplecache::ftp://me:SECRET@host/a", "simplecache::ftp://me:***@host/a"),
        ("https://SECRET@host/a", "https://***@host/a"),
        ("http://:SECRET@host", "http://:***@host"),
        ("sftp://me@host/a", "sftp://me@host/a"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("a:b@c", "a:b@c"),
    ],
)
def test_passwords_in_addresses_are_hidden(text: str, shown: str) -> None:
    assert redacted(text) == printable(text) == shown


def test_passwords_are_hidden_in_every_value_and_once_is_enough() -> None:
    found = redacted({"a": ["http://me:SECRET@host", 3, None], "b": {"c": ("http://me:SECRET@host", 0.5)}})
    assert found == {"a": ["http://me:***@host", 3, None], "b": {"c": ["http://me:***@host", 0.5]}}
    assert redacted(found) == found


def test_neither_lines_nor_errors_show_a_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(console, "console", lambda: Console(file=out, width=10_000))
    console.say("mlflow: experiment e at http://me:SECRET@host:5000")
    with pytest.raises(SystemExit):
        fail("cannot read s3://me:SECRET@host/store: not found", 3)
    shown = out.getvalue() + capsys.readouterr().err
    assert "me:***@host" in shown and "SECRET" not in shown


@pytest.mark.parametrize("cell", ["=1+1", "+a", "-a", "@a", "\ta", "\ra", "'=1", "''=1", "'a", "a=1", "", "'"])
def test_no_spreadsheet_runs_a_cell_and_it_comes_back_as_it_was(cell: str) -> None:
    assert harmless_cell(cell)[:1] not in ("=", "+", "-", "@", "\t", "\r")
    assert plain_cell(harmless_cell(cell)) == cell


def test_names_of_cases_in_a_table_of_scores_are_no_formulas() -> None:
    file = CasesFile("cases.csv")
    scores = {"=HYPERLINK(A1)/x": {"dice": 0.5}, "'=b": {"dice": None}, "plain": {"dice": 1.0}}
    text = file.text(scores)
    assert text == "case,dice\n'=HYPERLINK(A1)/x,0.5\n''=b,\nplain,1\n"
    assert file.parse(text.encode()) == scores
