"""Whether the hosts of a cluster answer, which is known long before Ray takes one that does not for dead."""

import socket
import time
from collections.abc import Callable, Mapping

Address = tuple[str, int]


class Signs:
    """At each look a connection to Ray's port on each host is begun; by the next one it is there, or the host has given
    no sign. Nothing is waited for: the kernel answers for a host that is only busy."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: dict[str, tuple[socket.socket, float]] = {}
        self._last_s: dict[str, float] = {}
        """When a host was asked that has answered since; of one that never has, when it was first asked."""

    def look(self, addresses: Mapping[str, Address]) -> None:
        """`addresses`: those of Ray, by its ids of the nodes; others are forgotten."""
        now_s = self._clock()
        for node, (asked, since_s) in self._asked.items():
            if _is_connected(asked):
                self._last_s[node] = since_s
            asked.close()
        self._last_s = {node: self._last_s.get(node, now_s) for node in addresses}
        self._asked = {node: (_connecting(address), now_s) for node, address in addresses.items()}

    def silent_s(self, node: str) -> float:
        """For how long a node has given no sign."""
        return self._clock() - self._last_s[node] if node in self._last_s else 0.0


def _connecting(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    asked = socket.socket(family, socket.SOCK_STREAM)
    asked.setblocking(False)
    asked.connect_ex(address)
    return asked


def _is_connected(asked: socket.socket) -> bool:
    try:
        asked.getpeername()
    except OSError:
        return False
    return True
