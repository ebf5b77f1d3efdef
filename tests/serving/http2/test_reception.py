"""Many clients that come at once hold up nobody, and many may be there. Without file descriptors: tests/faults."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from pathlib import Path

import psutil
import pytest

from edge_agent.serving.http2.reception import Reception
from tests.support.daemon import bytes_request, running_daemon, wait_until
from tests.support.fakes import picture, write_echo


def test_clients_are_accepted_a_few_at_a_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(tmp_path / "socket"))
        made: list[asyncio.Protocol] = []

        def make() -> asyncio.Protocol:
            made.append(asyncio.Protocol())
            return made[-1]

        reception = Reception(listener, make)
        clients = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(50)]
        for client in clients:
            client.connect(str(tmp_path / "socket"))
        most, before = 0, 0
        while len(made) < len(clients):
            await asyncio.sleep(0)  # another's turn
            most, before = max(most, len(made) - before), len(made)
        assert most == 8
        reception.close()
        reception.close()
        for client in clients:
            client.close()

    asyncio.run(scenario())


def test_more_clients_than_select_has_numbers_for(tmp_path: Path) -> None:
    """select(2) ends at 1023, and so does what a process may have, unless it asks for more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 4096:
        pytest.skip("this user may not have 4096 file descriptors")
    write_echo(tmp_path / "models", batch="n")
    wrapper = ("prlimit", "--nofile=1024:4096")
    with running_daemon(tmp_path, "--batch", "4", wrapper=wrapper) as daemon, contextlib.ExitStack() as stack:
        front = psutil.Process(daemon.process.pid)
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, limits[1]))  # our own
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        for _ in range(1100):
            client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            client.connect(str(daemon.path))
        wait_until(lambda: front.num_fds() > 1100, "all are connected")
        daemon.stub.start("echo")
        for _ in range(3):  # the second time the worker expects several, and waits for them
            for call in [daemon.stub.later("DetectAnomalies", bytes_request("echo", picture(51))) for _ in range(4)]:
                assert call.result().detect_anomaly_result.anomaly_score == pytest.approx(0.2, abs=1e-5)
