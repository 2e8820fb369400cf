"""Whether the hosts of a cluster see what a job is about to use: looked for on each before anything is trained.

A store that one host alone has, a runs folder that is not shared, another version of a library: each would end trials
one after the other, or, worse, train on with other results. One small task a host tells (0.2 to 0.5 s, and the start
of a process where none runs yet); a Ray of one host is not asked.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import ray

from app.console import say
from app.data import files
from app.data.store.manifest import MANIFEST_NAME
from app.errors import ResourceError
from app.execution.cluster import connection
from app.experiment import Experiment
from app.records import PACKAGES

ANSWER_WITHIN_S = 100.0
"""Assumed: longer than Ray takes to notice that a host is dead, and than a host takes to start its first process."""
TELL_AFTER_S = 20.0
POLL_S = 0.5
SEEN_WITHIN_S = 5.0
"""Assumed: how long a shared file system may take to show on one host what another has written."""
NUM_SHOWN = 3
"""Hosts, or files, that are named one by one."""
SHARED = (
    "wanted: stores, data and runs on a file system that every host has at the same path, or at an address such as "
    "s3://bucket/runs"
)


@dataclass(frozen=True)
class Answer:
    """What a host says of itself."""

    versions: Mapping[str, str]
    """Versions of Python and of PACKAGES; packages that are not installed are left out."""
    sources: Mapping[str, str]
    """Digest of each file of the project, by its path in it; empty: the host has no project."""
    read: Mapping[str, str | None]
    """What is at a path: a word for a folder, a digest of a file; None: nothing."""
    written: str | None = None
    """Why the folder that is written to is not the one that the asking host wrote to; None: it is, or none was named.
    """


def check_hosts(reads: Sequence[str] = (), writes: str | None = None) -> None:
    """Return once every host of the cluster has said that it has the versions and the project of this process, and sees
    what this one sees: at the paths in `reads`, and in the folder `writes`, which is made. Addresses of object stores
    are taken to be the same everywhere; hosts that die meanwhile are left out.

    Raises:
        ResourceError: one has not, or does not answer; names it.
        DataError: the folder cannot be written to from here.
    """
    others = _others()
    if not others:
        return
    mine = own_answer(reads)
    with _token(writes) as token:
        found = problems(mine, _ask(others, list(mine.read), token))
    if found:
        raise ResourceError("; ".join(found))


def own_answer(reads: Sequence[str]) -> Answer:
    """What this process's host has, and sees at these paths; addresses of object stores are left out."""
    return answer_here(sorted({witness(path) for path in reads if not files.is_url(path)}), None)


def answer_here(paths: Sequence[str], token: str | None) -> Answer:
    return Answer(**_looker()(PACKAGES, paths, token, SEEN_WITHIN_S))


def named_paths(experiment: Experiment) -> list[str]:
    """The options of an experiment that are paths: initial weights, a model in a folder."""
    values = [value for value in experiment.task.values() if isinstance(value, str)]
    return [value for value in values if os.path.isabs(value) and os.path.exists(value)]


def witness(path: str) -> str:
    """The file that tells whether a folder is the same on another host: a store's manifest, else the first of all that
    lie in it; the path itself where there is none."""
    while os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK):
        names = sorted(name for name in os.listdir(path) if not name.startswith("."))
        if not names:
            break
        path = os.path.join(path, MANIFEST_NAME if MANIFEST_NAME in names else names[0])
    return path


def problems(mine: Answer, theirs: Mapping[str, Answer | str]) -> list[str]:
    """What is wrong, by host: an answer other than `mine`, or, where there is none, the reason. Hosts with the same
    trouble are told together."""
    silent = {
        host: [f"does not run this job's tasks: {said}"] for host, said in theirs.items() if isinstance(said, str)
    }
    answers = {host: said for host, said in theirs.items() if isinstance(said, Answer)}
    unseen = _told({host: list(_unseen(mine, answer)) for host, answer in answers.items()})
    if unseen:
        unseen[-1] += f"; {SHARED}"
    return [*_told(silent), *_told({host: list(_unlike(mine, answer)) for host, answer in answers.items()}), *unseen]


def _told(found: Mapping[str, Sequence[str]]) -> list[str]:
    hosts: dict[str, list[str]] = {}
    for host, troubles in found.items():
        for trouble in troubles:
            hosts.setdefault(trouble, []).append(host)
    return [f"{'host' if len(names) == 1 else 'hosts'} {_listed(names)}: {trouble}" for trouble, names in hosts.items()]


def _unlike(mine: Answer, other: Answer) -> Iterator[str]:
    """Versions and files of the project that are not the asking host's."""
    names = [name for name in mine.versions if _release(other.versions.get(name)) != _release(mine.versions[name])]
    if names:
        has = ", ".join(f"{name} {other.versions[name]}" if name in other.versions else f"no {name}" for name in names)
        wanted = ", ".join(f"{name} {mine.versions[name]}" for name in names)
        yield f"has {has}, this job {wanted}: `make cluster-up` sets up every host with constraints.txt"
    changed = [name for name, digest in mine.sources.items() if other.sources.get(name) != digest]
    if changed and not other.sources:
        yield "has not the project: `make cluster-up` sends it, and jobs/submit.py sends it with a job"
    elif changed:
        yield (
            f"has other files of the project than this job ({_listed(changed)}): `make cluster-up` sends the same to "
            "every host, and jobs/submit.py sends them with a job"
        )


def _unseen(mine: Answer, other: Answer) -> Iterator[str]:
    """Paths at which it does not see what the asking host sees."""
    for path, content in mine.read.items():
        if content is not None and other.read.get(path) is None:
            yield f"{path} is not there"
        elif other.read.get(path) != content:
            yield f"{path} is another than on the host that asks"
    if other.written is not None:
        yield other.written


def _release(version: str | None) -> str | None:
    """Without what tells builds for CPU and for GPU apart (torch 2.9.0+cpu): hosts of both kinds work together."""
    return None if version is None else version.split("+")[0]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NUM_SHOWN} more" if len(names) > NUM_SHOWN else ""
    return ", ".join(names[:NUM_SHOWN]) + more


@contextmanager
def _token(folder: str | None) -> Iterator[str | None]:
    """A file in a folder that this process has just written, for others to look for."""
    if folder is None or files.is_url(folder):
        yield None
        return
    path = files.join(folder, f".seen-by-all-{uuid4().hex}")
    files.write_bytes_atomic(path, b"")
    try:
        yield path
    finally:
        files.remove(path)


def _others() -> dict[str, str]:
    """Hosts that can hold work, but this process's own, by Ray's ids."""
    own = ray.get_runtime_context().get_node_id()
    able = {node["NodeID"] for node in ray.nodes() if {"CPU", "GPU"} & set(node["Resources"])}
    return {node: host for node, host in connection.look().hosts.items() if node in able and node != own}


def asked(nodes: Iterable[str], paths: Sequence[str], token: str | None) -> dict[Any, str]:
    """References to the answers of nodes, and whose each is."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task, waiting = ray.remote(_looker()), {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        asks = task.options(num_cpus=0, max_retries=0, scheduling_strategy=there, name="host-check")
        waiting[asks.remote(PACKAGES, paths, token, SEEN_WITHIN_S)] = node
    return waiting


def _ask(hosts: Mapping[str, str], paths: Sequence[str], token: str | None) -> dict[str, Answer | str]:
    """By host, what each says; of one that does not, the reason."""
    waiting = asked(hosts, paths, token)
    answers: dict[str, Answer | str] = {}
    began_s, told = time.monotonic(), False
    while waiting:
        done, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=POLL_S)
        alive = connection.look().hosts
        for reference in done:
            node = waiting.pop(reference)
            if (answer := answer_of(reference)) is not None and (isinstance(answer, Answer) or node in alive):
                answers[hosts[node]] = answer
        waiting = {reference: node for reference, node in waiting.items() if node in alive}
        waited_s = time.monotonic() - began_s
        if waited_s > ANSWER_WITHIN_S:
            return answers | {hosts[node]: f"no answer within {waited_s:.0f} s" for node in waiting.values()}
        if waiting and waited_s > TELL_AFTER_S and not told:
            say(f"waiting for an answer of {_listed([hosts[node] for node in waiting.values()])}")
            told = True
    return answers


def answer_of(reference: Any) -> Answer | str:
    """What a host said, or why it did not."""
    try:
        return Answer(**ray.get(reference))
    except Exception as error:  # whatever the host has against it
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return lines[-1] if lines else type(error).__name__


def _looker() -> Any:
    """The function that each host runs. It is sent as it is, for a host may lack the project or have another of it."""

    def look(packages: Sequence[str], paths: Sequence[str], token: str | None, wait_s: float) -> dict[str, Any]:
        import hashlib
        import importlib.util
        import os
        import platform
        import time
        from importlib import metadata
        from pathlib import Path

        large = 64 * 2**20

        def content(path: Path) -> str | None:
            if path.is_dir():
                return "a folder"
            if not path.exists():
                return None
            if path.stat().st_size > large or not path.is_file():  # a pipe would be waited for
                return f"{path.stat().st_size} bytes"
            return hashlib.sha256(path.read_bytes()).hexdigest()

        def looked(path: str) -> str | None:
            try:
                return content(Path(path))
            except OSError:
                return None

        def trouble() -> str | None:
            """With the folder that is written to."""
            if token is None:
                return None
            folder, deadline = os.path.dirname(token), time.monotonic() + wait_s
            while not os.path.exists(token) and time.monotonic() < deadline:
                time.sleep(0.1)
            if not os.path.exists(token):
                return f"{folder} is not shared: what the asking host writes there is not seen"
            mine = f"{token}-{os.getpid()}-{platform.node()}"
            try:
                Path(mine).touch()
                os.unlink(mine)
            except OSError as error:
                return f"{folder} cannot be written to: {error.strerror}"
            return None

        versions = {"python": platform.python_version()}
        for package in packages:
            try:
                versions[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                continue
        project = importlib.util.find_spec("app")
        root = Path(project.origin).parent if project is not None and project.origin else None
        sources = {} if root is None else {str(p.relative_to(root)): str(content(p)) for p in root.rglob("*.py")}
        read = {path: looked(path) for path in paths}
        return {"versions": versions, "sources": sources, "read": read, "written": trouble()}

    return look
