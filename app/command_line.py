"""How a job starts: typed flags from a dataclass, one clear line for an error of the user's, exit codes that mean something."""

import os
import sys
from collections.abc import Callable
from typing import TypeVar

from app.errors import TwofoldError, UsageError

Arguments = TypeVar("Arguments")

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_USAGE_DISABLED": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Nothing is sent anywhere, whatever the libraries' defaults are."""


def run(arguments_type: type[Arguments], main: Callable[[Arguments], None], argv: list[str] | None = None) -> None:
    """Parse flags into `arguments_type`, call `main`, and exit: 0 done, 2 usage, 3 data, 4 resources, 5 training, 130 stopped."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import tyro  # here: a job's --help needs it, importing a job does not

    try:
        main(tyro.cli(arguments_type, args=argv))
    except TwofoldError as error:
        fail(str(error), error.exit_code)
    except ValueError as error:  # a configuration that checks itself
        fail(str(error), UsageError.exit_code)
    except KeyboardInterrupt:
        fail("stopped; the same command goes on from here", 130)


def fail(message: str, exit_code: int) -> None:
    """Write one line to stderr and exit."""
    sys.stderr.write(f"error: {message}\n")
    sys.stderr.flush()
    raise SystemExit(exit_code)
