"""Many clients that come at once hold up nobody. What happens without file descriptors: tests/faults."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from edge_agent.rpc.reception import Reception


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
