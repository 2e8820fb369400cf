"""Hosts that join while a study runs: each is asked what those were asked that were there at its start, before its room
counts, and one that answers otherwise gets no trial.

What a host must have stands in the study's folder. A trial that waited for a place when a host joined may be there
before the host was asked; so where the driver had not asked yet, the trial's process looks for itself.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import ray

from app.configuration import from_dict, to_dict
from app.data import files
from app.execution.cluster import connection, host_checks
from app.execution.cluster.connection import Sight
from app.execution.cluster.host_checks import Answer
from app.execution.trials.attempts import HostRefused
from app.training.order import Order

HOSTS_FILE = "hosts.json"
"""In a study's folder: `wanted`, what every host has and sees; `refused`, Ray's ids of those that do not."""
WAIT_S = 1.0
"""For an answer, each time that there is a look at the hosts."""


class HostWatch:
    """The driver's side; `look` is a `connection.look` that leaves out hosts that have not answered well."""

    def __init__(self, folder: str, reads: Sequence[str]) -> None:
        """Begin with a cluster whose hosts have all been asked (host_checks.check_hosts)."""
        self._path, self._wanted = files.join(folder, HOSTS_FILE), host_checks.own_answer(reads)
        self._asked = set(connection.look().hosts)
        self._waiting: dict[Any, str] = {}
        self._refused: dict[str, str] = {}
        self._write()

    @property
    def asked(self) -> tuple[str, ...]:
        """Ray's ids of the nodes that answered well."""
        return tuple(sorted(self._asked))

    def look(self) -> Sight:
        now = connection.look()
        left_out = now.hosts.keys() - self._asked
        if left_out:
            self._ask({node: now.hosts[node] for node in left_out - self._refused.keys()}, now.hosts)
            left_out = now.hosts.keys() - self._asked
        if not left_out:
            return now
        there = {node: host for node, host in now.hosts.items() if node in self._asked}
        addresses = {node: address for node, address in now.addresses.items() if node in there}
        refused = {node: why for node, why in self._refused.items() if node in now.hosts}
        return Sight(there, now.num_slots - connection.num_slots_of(left_out), addresses, refused)

    def _ask(self, new: Mapping[str, str], hosts: Mapping[str, str]) -> None:
        """Ask those that are new, and note what has been answered meanwhile."""
        being_asked = set(self._waiting.values())
        token = None if files.is_url(self._path) else self._path
        begun = [node for node in new if node not in being_asked]
        self._waiting |= host_checks.asked(begun, list(self._wanted.read), token)
        done, _ = ray.wait(list(self._waiting), num_returns=len(self._waiting), timeout=WAIT_S)
        for reference in done:
            node = self._waiting.pop(reference)
            answer = host_checks.answer_of(reference)
            if node in hosts:
                self._note(node, hosts[node], answer)

    def _note(self, node: str, host: str, answer: Answer | str) -> None:
        found = host_checks.problems(self._wanted, {host: answer})
        if found:
            self._refused[node] = "; ".join(found)
            self._write()
        else:
            self._asked.add(node)

    def _write(self) -> None:
        files.write_json(self._path, {"wanted": to_dict(self._wanted), "refused": sorted(self._refused)})


def place_elsewhere(folder: str | None) -> dict[str, str] | None:
    """Ray's selector of nodes for a study's trials: not those that were refused; None: any."""
    path = files.join(folder, HOSTS_FILE) if folder else ""
    refused = files.read_json(path)["refused"] if path and files.exists(path) else []
    return {"ray.io/node-id": f"!in({','.join(refused)})"} if refused else None


def check_own_host(order: Order) -> None:
    """Return where the driver has asked this process's host, or it sees and has what the study's hosts must.

    Raises:
        HostRefused: it does not; names it.
    """
    if not order.asked:
        return
    node = ray.get_runtime_context().get_node_id()
    if node in order.asked:
        return
    assert order.numerics_folder is not None
    found = problems_here(order.numerics_folder, connection.look().hosts.get(node, "of this process"))
    if found:
        raise HostRefused("; ".join(found))


def problems_here(folder: str, host: str) -> list[str]:
    """What is wrong with this host, for a study in this folder."""
    path = files.join(folder, HOSTS_FILE)
    token = None if files.is_url(path) else path
    if token is not None:
        seen = host_checks.answer_here([], token)
        if seen.written is not None:
            return host_checks.problems(Answer({}, {}, {}), {host: seen})
    wanted = from_dict(Answer, files.read_json(path)["wanted"])
    answer = host_checks.answer_here(list(wanted.read), None)
    return host_checks.problems(wanted, {host: dataclasses.replace(answer, written=None)})
