"""Errors that end a job with one line and an exit code of their own; anything else is a bug and shows its trace."""

from collections.abc import Iterator


class TwofoldError(Exception):
    """Its message is for the user: the value seen, the value wanted, what to do."""

    exit_code = 1


class UsageError(TwofoldError, ValueError):
    """The arguments or a configuration are wrong."""

    exit_code = 2


def require(holds: bool, name: str, seen: object, wanted: str) -> None:
    """Raises UsageError, with the value seen and the one that is wanted, unless it holds."""
    if not holds:
        raise UsageError(f"{name}: got {seen!r}, expected {wanted}")


class DataError(TwofoldError):
    """Source data, a prepared store or a download is missing, damaged or all bad."""

    exit_code = 3


class ResourceError(TwofoldError):
    """The machine or cluster does not have what the job needs: workers, memory, disk."""

    exit_code = 4


class TrainingError(TwofoldError):
    """A training cannot go on: its loss is not finite, its workers died too often."""

    exit_code = 5


RAY_DATA_ADVICE = "\nFailed to apply UDF transform"
"""Ray Data puts this and more behind the message of what a task raised."""


def find_user_error(error: BaseException) -> TwofoldError | None:
    """The error for the user in what Ray may have wrapped it, several times over; None when there is none."""
    for linked in _linked(error):
        if isinstance(linked, TwofoldError):
            kind = next(k for k in type(linked).__mro__ if k.__module__ == __name__)  # Ray makes subclasses of its own
            message = str(linked.args[0]) if type(linked) is kind and linked.args else str(linked)
            found: TwofoldError = kind(message.split(RAY_DATA_ADVICE)[0])
            return found
    return None


def _linked(error: BaseException) -> Iterator[BaseException]:
    """The errors that `error` wraps, innermost first, and then itself.

    Ray wraps what a worker raised, several times over; by attribute names, so that Ray need not be imported. What one
    of ours was raised from is not wrapped: its own message says more.
    """
    failures = getattr(error, "worker_failures", None)  # of ray.train.WorkerGroupError: rank -> error
    wrapped = [*failures.values()] if isinstance(failures, dict) else []
    for name in ("cause", "controller_failure", *(() if isinstance(error, TwofoldError) else ("__cause__",))):
        wrapped.append(getattr(error, name, None))
    for inner in wrapped:
        if isinstance(inner, BaseException) and inner is not error:
            yield from _linked(inner)
    yield error
