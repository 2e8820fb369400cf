"""Errors that end a job with one line and an exit code of their own; anything else is a bug and shows its trace."""


class TwofoldError(Exception):
    """Its message is for the user: the value seen, the value wanted, what to do."""

    exit_code = 1


class UsageError(TwofoldError, ValueError):
    """The arguments or a configuration are wrong."""

    exit_code = 2


class DataError(TwofoldError):
    """Source data, a prepared store or a download is missing, damaged or all bad."""

    exit_code = 3


class ResourceError(TwofoldError):
    """The machine or cluster does not have what the job needs: workers, memory, disk."""

    exit_code = 4


class TrainingError(TwofoldError):
    """A training can not go on: its loss is not finite, its workers died too often."""

    exit_code = 5
