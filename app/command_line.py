"""How a job starts: typed flags from a dataclass, one clear line for a user's error, exit codes that mean something."""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from app import stopping
from app.errors import ResourceError, find_user_error
from app.machine import process_limits
from app.printable import printable

Arguments = TypeVar("Arguments")

ENVIRONMENT = {
    # Nothing is sent anywhere, whatever the libraries' defaults are.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_USAGE_DISABLED": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # A task that asks for no GPU still sees the device, and Ray does not warn about it.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Tokenizers' own threads do not survive a fork and warn about it.
    "TOKENIZERS_PARALLELISM": "false",
    # Ray runs the training in a thread, and glibc gives threads arenas that cannot hold a tensor over 64 MB: each is
    # taken from the kernel anew. With one arena they share the heap that app.training.process keeps.
    "MALLOC_ARENA_MAX": "1",
}
"""Set before a job starts unless the user has set them."""
NO_THREAD = "can't start new thread"
"""As Python says it."""
MAX_LINE = 4000
"""Characters of an error."""


def run(
    arguments: type[Arguments] | Mapping[str, type[Any]] | partial[Mapping[str, type[Any]]],
    main: Callable[[Arguments], None],
    argv: list[str] | None = None,
    description: str | None = None,
) -> None:
    """Parse flags, call `main` with them, and exit: 0 done, 2 usage, 3 data, 4 resources, 5 training, 130 stopped.

    Args:
        arguments: the dataclass of the flags, or one for each subcommand; or what gives these of the flags.
        main: does the job.
        argv: the flags; None: those of this process.
        description: opens --help; None: the docstring of the job's file.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    stopping.listen()
    try:
        main(_parse(arguments, argv, description or sys.modules["__main__"].__doc__))
    except KeyboardInterrupt:
        fail(stopping.STOPPED, stopping.EXIT_CODE)
    except Exception as error:
        found = find_user_error(error) or _of_machine(error)
        if found is not None:
            fail(str(found), found.exit_code)
        raise
    finally:
        stopping.listen_no_longer()


def _of_machine(error: Exception) -> ResourceError | None:
    """What this machine refused, where that is what was raised."""
    if isinstance(error, MemoryError):
        return ResourceError(
            f"this machine's memory ran out ({str(error) or 'no more is given'}): end others, or use less"
        )
    if isinstance(error, BlockingIOError) or (isinstance(error, RuntimeError) and NO_THREAD in str(error)):
        limits = "; ".join(map(str, process_limits())) or "the whole machine's is reached (sysctl kernel.pid_max)"
        return ResourceError(f"no further process or thread can be started: {limits}: raise it, or end others")
    return None


def _parse(arguments: Any, argv: list[str] | None, description: str | None) -> Any:
    if isinstance(arguments, partial):
        arguments = arguments(sys.argv[1:] if argv is None else argv)
    import tyro  # here: a job's --help needs it, importing a job does not

    try:
        if isinstance(arguments, Mapping):
            return tyro.extras.subcommand_cli_from_dict(dict(arguments), args=argv, description=description)
        return tyro.cli(arguments, args=argv, description=description)
    except BrokenPipeError:  # of `--help | head`, which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def absolute(path: str) -> str:
    """A path that means the same to Ray's workers, which run in folders of their own; URLs stay as they are."""
    return path if "://" in path else os.path.realpath(path)


def fail(message: str, exit_code: int) -> None:
    """Write one line to stderr and exit; what a file held that is shown in it may be long."""
    line = "; ".join(part.strip() for part in message.splitlines() if part.strip())
    if len(line) > MAX_LINE:
        line = f"{line[: MAX_LINE // 2]} … {line[-MAX_LINE // 2 :]}"
    sys.stderr.write(f"error: {printable(line, sys.stderr.encoding) or 'without a message'}\n")
    sys.stderr.flush()
    raise SystemExit(exit_code)
