"""Following a job: against a job server that is played."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from app.errors import ResourceError
from app.execution import submit
from app.execution.submit import Ending, follow


class Server:
    """Each element of `answers` is one look at the job: pieces of its log from the start, then its status; an
    exception in either place is raised there."""

    def __init__(self, *answers: tuple[list[Any], Any]) -> None:
        self._answers = list(answers)
        self.num_looks = 0

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        self.num_looks += 1
        for piece in self._answers[0][0]:
            if isinstance(piece, Exception):
                self._answers.pop(0)
                raise piece
            yield piece

    def get_job_info(self, job: str) -> Any:
        status = self._answers.pop(0)[1]
        if isinstance(status, Exception):
            raise status
        name, exit_code, message = status
        terminal = name in ("SUCCEEDED", "FAILED", "STOPPED")
        return SimpleNamespace(
            status=SimpleNamespace(value=name, is_terminal=lambda: terminal),
            driver_exit_code=exit_code,
            message=message,
        )


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "POLL_S", 0.0)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (("SUCCEEDED", 0, "done"), Ending("SUCCEEDED", 0, "done")),
        (("FAILED", 5, "bad"), Ending("FAILED", 5, "bad")),
        (("FAILED", None, "the head lost it"), Ending("FAILED", 1, "the head lost it")),
        (("STOPPED", None, None), Ending("STOPPED", 130, "")),
    ],
)
def test_its_exit_code_is_ours(status: Any, expected: Ending) -> None:
    assert follow(Server((["a line\n"], status)), "job") == expected


def test_a_log_that_breaks_off_is_taken_up_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    server = Server(
        (["one\n", "two\n", RuntimeError("the stream closed")], None),
        ([aiohttp.ServerDisconnectedError()], None),
        (["one\ntwo\n", "three\n"], ("RUNNING", None, None)),
        (["one\n", "two\nthree\nfour\n"], ("SUCCEEDED", 0, "")),
    )
    assert follow(server, "job").exit_code == 0
    assert capsys.readouterr().out.split() == ["one", "two", "three", "four"]
    assert server.num_looks == 4


def test_a_head_that_is_gone_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "GIVE_UP_S", -1.0)
    with pytest.raises(ResourceError, match="ray job status raysubmit_1"):
        follow(Server(([ConnectionError("refused")], None)), "raysubmit_1")


def test_no_server_is_one_clear_line() -> None:
    with pytest.raises(ResourceError, match=r"no job server answers at http://127\.0\.0\.1:1"):
        submit.connect("http://127.0.0.1:1")


class StartingServer:
    """Accepts a job at the `num_refusals` + first asking."""

    def __init__(self, num_refusals: int, answer: str = submit.NOT_YET) -> None:
        self._num_refusals, self._answer = num_refusals, answer

    def submit_job(self, **_: Any) -> str:
        self._num_refusals -= 1
        if self._num_refusals >= 0:
            raise RuntimeError(f"Request failed with status code 500: {self._answer}")
        return "raysubmit_1"


def test_a_head_that_is_starting_is_asked_again() -> None:
    assert submit.submit(StartingServer(2), ("python", "a job.py"), ".") == "raysubmit_1"


def test_a_refusal_is_one_clear_line() -> None:
    with pytest.raises(ResourceError, match=r"was not started: .* no such folder"):
        submit.submit(StartingServer(1, "no such folder"), ("python", "job.py"), ".")
