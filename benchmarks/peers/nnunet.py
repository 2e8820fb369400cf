"""nnU-Net's environment."""

from pathlib import Path

from benchmarks.peers import environment

NAME = "nnunet"


def python() -> Path:
    """The interpreter of nnU-Net's environment; installs it where it is missing or the pins have changed."""
    return environment.interpreter(NAME)


def version() -> str:
    """Version of nnunetv2, as pinned."""
    return environment.pinned(NAME, "nnunetv2")
