"""Hosts that answer and hosts that do not, on loopback."""

import socket
import time

from app.execution.cluster.signs import Signs


def test_a_host_is_silent_from_when_it_was_last_asked_and_answered() -> None:
    now_s = 100.0
    signs = Signs(lambda: now_s)

    def look_three_times() -> None:
        nonlocal now_s
        for _ in range(3):
            now_s += 5.0
            signs.look(addresses)
            time.sleep(0.1)  # the kernel connects meanwhile

    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # a port on which nothing listens
        addresses = {"n1": server.getsockname(), "n2": nobody.getsockname()}
        look_three_times()
        assert (signs.silent_s("n1"), signs.silent_s("n2")) == (5.0, 10.0), "what was asked last is looked at next time"
        server.close()
        look_three_times()
        assert (signs.silent_s("n1"), signs.silent_s("n2")) == (20.0, 25.0), "n1 has answered what it was asked at 110"
        signs.look({})
    assert (signs.silent_s("n1"), signs.silent_s("n2")) == (0.0, 0.0), "hosts that are gone are forgotten"
