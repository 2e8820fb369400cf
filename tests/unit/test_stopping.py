"""Ctrl-C and SIGTERM at moments of a job's life: one line that says how to resume, and code 130, or its own end."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOBS = [*sorted((ROOT / "jobs").glob("*.py")), ROOT / "jobs/demo/__main__.py"]
LINE = "error: stopped; run the same command to resume\n"
SIGNALS = pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
AS_A_JOB = """
import atexit, signal, time
from dataclasses import make_dataclass
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background
from app.command_line import run
Arguments = make_dataclass('Arguments', [('store', str)])
def told(name='SIGTERM'):
    signal.raise_signal(getattr(signal, name))
"""


def ended(code: str, *flags: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a process of its own."""
    done = subprocess.run([sys.executable, "-c", code, *flags], capture_output=True, text=True, timeout=50)
    return done.returncode, done.stdout, done.stderr


def as_a_job(main: str) -> tuple[int, str, str]:
    return ended(f"{AS_A_JOB}{main}\nrun(Arguments, main, ['--store', 's'])")


@SIGNALS
def test_a_job_that_is_told_to_end_says_how_to_go_on(name: str) -> None:
    assert as_a_job(f"def main(_):\n    told('{name}')\n    time.sleep(60)") == (130, "", LINE)


def test_told_twice_a_job_ends_at_once_whatever_it_waits_for() -> None:
    """The second of two that come together is the same wish: a terminal tells a job and the demo that runs it."""
    main = """
def main(_):
    try:
        told()
    finally:
        told()
        print('tidies up', flush=True)
        time.sleep(1.1)
        told()
        print('never', flush=True)
"""
    assert as_a_job(main) == (130, "tidies up\n", LINE)


@pytest.mark.parametrize(
    "drops_it",
    ["Drops()", "try:\n        told()\n    except BaseException:\n        pass"],
    ids=["lost by Python itself", "swallowed by a library"],
)
def test_a_wish_that_came_to_nothing_comes_again(drops_it: str) -> None:
    """As where modules of Cython are imported: the job would go on to its end, with a trace in its midst."""
    main = f"""
class Drops:
    def __del__(self): told()
def main(_):
    {drops_it}
    print('goes on', flush=True)
    time.sleep(60)
"""
    assert as_a_job(main) == (130, "goes on\n", LINE)


def test_what_tidies_up_is_not_told_again() -> None:
    main = """
def main(_):
    try:
        told()
    finally:
        try:
            {}['missing']
        except KeyError:
            time.sleep(3.3)
        print('tidied up', flush=True)
"""
    assert as_a_job(main) == (130, "tidied up\n", LINE)


@SIGNALS
def test_told_at_its_very_end_a_job_is_done(name: str) -> None:
    """What is registered for the end, as that of Ray, is not broken off."""
    main = f"""
atexit.register(lambda: (told('{name}'), print('tidied up', flush=True)))
def main(_):
    print('done', flush=True)
"""
    assert as_a_job(main) == (0, "done\ntidied up\n", "")


@pytest.mark.parametrize("path", JOBS, ids=[str(path.relative_to(ROOT / "jobs")) for path in JOBS])
def test_a_job_listens_before_it_imports_anything(path: Path) -> None:
    first, second = ast.parse(path.read_text()).body[1:3]  # after what the job is
    assert ast.unparse(first) == "from app import stopping"
    assert ast.unparse(second) == "if __name__ == '__main__':\n    stopping.listen_while_loading()"


@SIGNALS
@pytest.mark.parametrize("path", JOBS, ids=[str(path.relative_to(ROOT / "jobs")) for path in JOBS])
def test_told_at_its_first_import_it_ends_as_ever(path: Path, name: str) -> None:
    """The signal comes while the module is looked for that the job imports first."""
    code = f"""
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Told:
    def find_spec(self, name, *_):
        if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
            signal.raise_signal(signal.{name})
for known in ('dataclasses', 'app.command_line', 'typing', 'time'):
    sys.modules.pop(known, None)
sys.meta_path.insert(0, Told())
sys.path.insert(0, {str(path.parent)!r})
runpy.run_path({str(path)!r}, run_name='__main__')
"""
    assert ended(code, "--help") == (130, "", LINE)
