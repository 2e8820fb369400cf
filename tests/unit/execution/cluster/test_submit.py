"""Following a job: against a job server that is played."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from ray.exceptions import AuthenticationError
from silent_server import silent_server

from app.errors import ResourceError
from app.execution.cluster import submit
from app.execution.cluster.submit import Ending, follow


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


def test_where_an_event_loop_runs_it_is_refused_at_once() -> None:
    """asyncio's own refusal was taken for a log that broke off, and asked for again until GIVE_UP_S had passed."""
    server = Server((["one\n"], ("SUCCEEDED", 0, "")))

    async def within() -> None:
        with pytest.raises(RuntimeError, match=r"use asyncio\.to_thread\(follow, client, job\)"):
            follow(server, "job")
        assert server.num_looks == 0
        assert (await asyncio.to_thread(follow, server, "job")).exit_code == 0

    asyncio.run(within())


def test_no_server_is_one_clear_line() -> None:
    with pytest.raises(ResourceError, match=r"no job server answers at http://127\.0\.0\.1:1"):
        submit.connect("http://127.0.0.1:1")


class StartingServer:
    """Accepts a job at the `num_refusals` + first asking."""

    def __init__(self, num_refusals: int, answer: str = submit.NOT_YET) -> None:
        self._num_refusals, self._answer = num_refusals, answer
        self.asked: list[dict[str, Any]] = []

    def submit_job(self, **options: Any) -> str:
        self.asked.append(options)
        self._num_refusals -= 1
        if self._num_refusals >= 0:
            raise RuntimeError(f"Request failed with status code 500: {self._answer}")
        return "raysubmit_1"


def test_a_head_that_is_starting_is_asked_again() -> None:
    assert submit.submit(StartingServer(2), ("python", "a job.py"), ".") == "raysubmit_1"


def test_a_refusal_is_one_clear_line() -> None:
    with pytest.raises(ResourceError, match=r"was not started: .* no such folder"):
        submit.submit(StartingServer(1, "no such folder"), ("python", "job.py"), ".")


def test_the_dashboard_shows_a_job_by_what_it_does_and_the_name_of_its_run() -> None:
    server = StartingServer(1)
    submit.submit(server, ("python", "jobs/study.py", "--recipe", "brats-smoke", "--name=one each"), "folder")
    first, second = server.asked
    assert re.fullmatch(r"study-one_each-\d{8}-\d{6}-[0-9a-f]{4}", first["submission_id"])
    assert second["submission_id"] != first["submission_id"], "a head that refused may have noted the first"
    assert first["metadata"] == {"job": "study", "run": "one_each"}
    assert first["entrypoint"] == "python jobs/study.py --recipe brats-smoke '--name=one each'"
    assert first["runtime_env"] == {"working_dir": "folder"}


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (("python", "jobs/evaluate.py", "brats", "--run", "/data/runs/first/", "--store", "s"), ("evaluate", "first")),
        (("python", "jobs/ocr.py", "--store", "s3://bucket/tobacco"), ("ocr", "tobacco")),
        (("python", "jobs/study.py", "--study", "rates.json"), ("study", "rates.json")),
        (("sleep", "10"), ("job", "")),
        (("python", "jobs/train.py", "brats", "--name"), ("train", "")),
    ],
)
def test_names_of_a_command(command: tuple[str, ...], names: tuple[str, str]) -> None:
    assert submit.names_of(command) == names


def test_a_job_server_that_says_nothing_is_told_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(submit, "ANSWER_S", 0.3)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    with silent_server() as port, pytest.raises(ResourceError, match=r"no job server answers at .*timed out") as told:
        submit.connect(f"http://127.0.0.1:{port}")
    assert "\n" not in str(told.value)


class Quiet(Server):
    """Its log stops after a line, without an end."""

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        yield "one\n"
        await asyncio.sleep(60)


def test_a_log_that_stops_is_left_once_its_job_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "SILENT_S", 0.05)
    running, over = ([], ("RUNNING", None, None)), ([], ("SUCCEEDED", 0, ""))
    assert follow(Quiet(running, running, over, over), "job").exit_code == 0


def test_a_log_that_stops_on_a_server_that_is_gone_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "SILENT_S", 0.05)
    monkeypatch.setattr(submit, "GIVE_UP_S", -1.0)
    with pytest.raises(ResourceError, match=r"no answer for .* \(read timed out\)"):
        follow(Quiet(([], TimeoutError("read timed out"))), "job")


def test_a_log_that_breaks_off_after_hours_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was heard last counts, not when following began."""
    now = iter(range(0, 100_000, 200))
    monkeypatch.setattr(submit, "time", SimpleNamespace(monotonic=lambda: float(next(now)), sleep=lambda _: None))
    pieces = [*("line\n" for _ in range(5)), RuntimeError("the stream closed")]
    assert follow(Server((pieces, None), ([], ("SUCCEEDED", 0, ""))), "job").exit_code == 0


@pytest.mark.parametrize(
    "refusal",
    [AuthenticationError("expired"), aiohttp.WSServerHandshakeError(None, (), status=401)],  # type: ignore[arg-type]
    ids=["asked", "followed"],
)
def test_a_token_that_is_no_longer_taken_is_a_line(refusal: Exception) -> None:
    with pytest.raises(ResourceError, match=r"no longer takes the token .*; the job goes on.*logs -f raysubmit_1"):
        follow(Server(([refusal], None)), "raysubmit_1")
