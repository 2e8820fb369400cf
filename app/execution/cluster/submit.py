"""A job on a cluster, followed until it has ended, however often its log breaks off; its exit code is ours.

`ray job submit` ends with 0 when a job is stopped or when the log breaks off.
"""

import asyncio
import logging
import os
import re
import secrets
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from app.console import say
from app.errors import ResourceError

STOPPED_EXIT_CODE = 130
"""As of a process that its user stopped."""
GIVE_UP_S = 300.0
"""Assumed: a head that has not answered for so long will not."""
ANSWER_S = 60.0
"""Assumed: how long a job server may take over one answer, an upload's included."""
SILENT_S = 30.0
"""Assumed: a log that says nothing for so long may have stopped; its job is asked for."""
STARTING_S = 60.0
"""Assumed: how long a head takes from its first answer to the first job that it accepts."""
NOT_YET = "No available agent"
"""What Ray answers until then."""
POLL_S = 1.0
TOKEN_ADVICE = (
    "set RAY_AUTH_MODE=token, and have the head's token in ~/.ray/auth_token or the file that RAY_AUTH_TOKEN_PATH names"
)
CHATTY = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")
"""Loggers of Ray that have levels of their own."""
NAMING_FLAGS = ("--name", "--recipe", "--study", "--run", "--store")
"""The first that a command has names its run."""
NUM_NAME = 60
"""Longer names are cut in a job's id."""


@dataclass(frozen=True)
class Ending:
    """How a job ended."""

    status: str
    """SUCCEEDED, FAILED or STOPPED."""
    exit_code: int
    message: str


def token_file() -> Path:
    """Where Ray looks for the secret that the machines of a cluster and its users share."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()


def connect(address: str | None) -> Any:
    """A client of the job server at `address`, http://HOST:8265; None: that of RAY_ADDRESS, or of this machine.

    Raises:
        ResourceError: no job server answers there, or not in time, or it wants a token that this machine has not.
    """
    if token_file().exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # without it Ray sends none
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    class Client(JobSubmissionClient):
        """One that does not wait forever."""

        def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
            return super()._do_request(method, endpoint, **{"timeout": ANSWER_S, **options})

    for name in CHATTY:  # which files stay here, that a socket was closed
        logging.getLogger(name).setLevel(logging.ERROR)
    there = address or "the address of RAY_ADDRESS"
    try:
        return Client(address)
    except AuthenticationError as error:
        raise ResourceError(f"the job server at {there} wants a token that it did not get: {TOKEN_ADVICE}") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise ResourceError(
            f"no job server answers at {there}: {_first_line(error)}; "
            "open the way to it (`ray dashboard cluster.yaml`) or start a head (`ray start --head`)"
        ) from error


def submit(client: Any, command: tuple[str, ...], working_dir: str) -> str:
    """Send the folder and start the command in its copy; the id of the job.

    Raises:
        ResourceError: the folder cannot be sent, or the server refuses the job.
    """
    begun_s = time.monotonic()
    job, name = names_of(command)
    started = time.strftime("%Y%m%d-%H%M%S")
    while True:
        wanted = "-".join(part for part in (job, name, started, secrets.token_hex(2)) if part)
        try:
            return str(
                client.submit_job(
                    entrypoint=shlex.join(command),
                    submission_id=wanted,
                    metadata={"job": job, "run": name},
                    runtime_env={"working_dir": working_dir},
                )
            )
        except (OSError, RuntimeError, ValueError) as error:
            starting = NOT_YET in str(error) and time.monotonic() - begun_s < STARTING_S
            if not starting:
                raise ResourceError(f"the job was not started: {_first_line(error)}") from error
        time.sleep(POLL_S)


def names_of(command: Sequence[str]) -> tuple[str, str]:
    """What a command's job is called and what it names its run, of letters that stand in ids and addresses; empty where
    it says neither."""
    script = next((word for word in command if word.endswith(".py")), "")
    words = [part for word in command for part in (word.split("=", 1) if word.startswith("--") else [word])]
    given = dict(pairwise(words))
    name = next((given[flag] for flag in NAMING_FLAGS if flag in given), "")
    job, name = (re.sub(r"[^A-Za-z0-9_.-]+", "_", text.rstrip("/").rsplit("/", 1)[-1]) for text in (script, name))
    return job.removesuffix(".py") or "job", name[:NUM_NAME]


def follow(client: Any, job: str) -> Ending:
    """Show the job's log to its end.

    Raises:
        ResourceError: the server has not answered for GIVE_UP_S seconds, or no longer takes the token; the job may
            still run.
        RuntimeError: an event loop runs in this thread, which would stand still meanwhile.
    """
    import aiohttp
    from ray.exceptions import AuthenticationError

    if asyncio._get_running_loop() is not None:
        raise RuntimeError("follow: an event loop runs in this thread; use asyncio.to_thread(follow, client, job)")
    shown = _Shown()
    while True:
        try:
            asyncio.run(_tail(client, job, shown))
            details = client.get_job_info(job)
            shown.heard()
        except AuthenticationError as error:
            raise _locked_out(job) from error
        # The log broke off, or the head is away for a while.
        except (OSError, RuntimeError, aiohttp.ClientError) as error:
            if isinstance(error, aiohttp.WSServerHandshakeError) and error.status in (401, 403):
                raise _locked_out(job) from error
            if shown.silent_s() > GIVE_UP_S:
                raise ResourceError(
                    f"{job}: no answer for {GIVE_UP_S:.0f} s ({_first_line(error)}); the job may still run: "
                    f"`ray job status {job}` tells"
                ) from error
            time.sleep(POLL_S)
            continue
        if details.status.is_terminal():
            return ending(str(details.status.value), details.driver_exit_code, details.message)
        time.sleep(POLL_S)


def _locked_out(job: str) -> ResourceError:
    return ResourceError(
        f"{job}: the job server no longer takes the token with which it was submitted; the job goes on. To follow it, "
        f"{TOKEN_ADVICE}: `ray job logs -f {job}`"
    )


def ending(status: str, driver_exit_code: int | None, message: str | None) -> Ending:
    """The exit code of the job's own process where it is known."""
    codes = {"SUCCEEDED": 0, "STOPPED": STOPPED_EXIT_CODE}
    # Ray puts the end of the log, which was shown, behind its message.
    return Ending(status, codes.get(status, driver_exit_code or 1), (message or "").split(", last available logs")[0])


class _Shown:
    """A log begins anew each time it is followed: what was shown is left out."""

    def __init__(self) -> None:
        self._num_shown = 0
        self._num_seen = 0
        self._heard_s = time.monotonic()

    def begin(self) -> None:
        self._num_seen = 0

    def heard(self) -> None:
        """The server has answered."""
        self._heard_s = time.monotonic()

    def silent_s(self) -> float:
        return time.monotonic() - self._heard_s

    def __call__(self, text: str) -> None:
        self.heard()
        new = text[max(0, self._num_shown - self._num_seen) :]
        self._num_seen += len(text)
        self._num_shown = max(self._num_shown, self._num_seen)
        if new:
            for line in new.removesuffix("\n").split("\n"):
                say(line)


async def _tail(client: Any, job: str, shown: _Shown) -> None:
    """Show the log until it ends, or is silent and its job has ended. Raises what the client does, also when the server
    does not say how the job of a silent log is."""
    shown.begin()
    log = aiter(client.tail_job_logs(job))
    coming = asyncio.ensure_future(anext(log, None))
    while True:
        done, _ = await asyncio.wait({coming}, timeout=SILENT_S)
        if not done:
            details = await asyncio.to_thread(client.get_job_info, job)
            shown.heard()
            if not details.status.is_terminal():
                continue
        text = coming.result() if done else None
        if text is None:
            coming.cancel()
            return
        shown(text)
        coming = asyncio.ensure_future(anext(log, None))


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
