"""Ports of loopback for servers that a test starts itself."""

from __future__ import annotations

import itertools
import os
import socket

#: below those that the kernel gives to whoever asks for none, so that nobody's outgoing connection takes one, and a
#: client that looks for a server which is away can't be connected with itself (32768 and up: ip_local_port_range)
_LOWEST, _COUNT = 20_000, 12_000

_next = itertools.count(os.getpid() * 97)


def free_port() -> int:
    """Give a port that nobody listens on, and that no other process of tests is given while this one runs."""
    for number in itertools.islice(_next, _COUNT):
        port = _LOWEST + number % _COUNT
        reservation = socket.socket(socket.AF_UNIX)
        try:
            reservation.bind(f"\0edge-agent-test-port-{port}")  # an abstract name goes with the process
        except OSError:
            reservation.close()
            continue
        reservation.detach()  # it stays open
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: an old connection is no server
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError(f"no port from {_LOWEST} to {_LOWEST + _COUNT} is free")


def is_open(port: int) -> bool:
    """Tell whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
