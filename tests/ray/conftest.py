"""Fixtures of jobs that end early."""

from ending import ending, stop_at  # noqa: F401
