"""A Ray of this process alone: on loopback, open to nobody without its token, gone with the process."""

import atexit
import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants

from app.errors import ResourceError
from app.execution.cluster.limits import check_processes
from app.execution.cluster.own_folder import OwnFolder

_TOKEN = secrets.token_hex(32)
"""Ray reads it once a process."""
_ENVIRONMENT: Mapping[str, str | None] = {
    # Whatever the user has for a cluster: with a token and without a mode Ray asks everybody for this token, and writes
    # no file with one of its own.
    "RAY_AUTH_TOKEN": _TOKEN,
    "RAY_AUTH_MODE": None,
    "RAY_AUTH_TOKEN_PATH": None,
    # What keeps Ray on 127.0.0.1, on Linux too; `_node_ip_address` alone does not.
    ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0",
    "GLOO_SOCKET_IFNAME": "lo",
}
"""Environment of Ray's processes, which are this user's own: others cannot read it. None: without."""
_WATCHERS = ("RAY_TRAIN_ENABLE_STATE_TRACKING", "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER")
"""Processes of Ray Train for a dashboard and for nodes of a cloud; the process that trains asks for them later on."""
_folders: list[OwnFolder] = []


def start(num_cpus: int, **options: Any) -> None:
    """Start it with so many logical CPUs. `options`: of ray.init.

    Its files lie in a folder that only this user can enter, and are removed with it at the end of this process, however
    that comes: what was killed leaves its folder and processes to the next start.

    Raises:
        ResourceError: the machine does not let it be started.
    """
    check_processes(num_cpus)
    _folders.append(OwnFolder())
    atexit.register(stop)
    for watcher in _WATCHERS:
        os.environ.setdefault(watcher, "0")
    with _environment(_ENVIRONMENT), _on_loopback(), _in_words():
        ray.init(
            address="local",  # else a head on this machine, or what one that was killed has left behind, is tried first
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=os.path.join(folder(), "r"),  # Ray opens its own to everybody
            num_cpus=num_cpus,
            **options,
        )


def stop() -> None:
    """End it, or what there is of it; without one nothing happens."""
    atexit.unregister(stop)
    if not _folders:
        return
    ray.shutdown()
    while _folders:
        _folders.pop().remove()


def folder() -> str:
    """Where its files are."""
    return _folders[-1].path


@contextmanager
def _in_words() -> Iterator[None]:
    """SIGTERM, which Ray takes for itself as it starts, is as Ctrl-C here as elsewhere; what Ray raises, a line."""
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ResourceError(f"a Ray of this machine could not be started: {first}") from error


@contextmanager
def _environment(values: Mapping[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _on_loopback() -> Iterator[None]:
    """The constant that Ray, when it was imported, has set by the environment."""
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
