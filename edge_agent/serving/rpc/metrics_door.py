"""An address at which metrics are asked for: HOST:PORT or that of a Unix socket."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
from pathlib import Path

from edge_agent.errors import AddressInUse
from edge_agent.serving.http2.reception import Reception
from edge_agent.serving.observing.page import MetricsPage, Render
from edge_agent.serving.rpc.listener import SocketClaim
from edge_agent.settings import split_host

log = logging.getLogger(__name__)


class MetricsDoor:
    """Answers whoever comes, until it is closed. Needs a running event loop."""

    def __init__(self, address: str, render: Render, mode: int = 0o660, group: str = "") -> None:
        """Listen; a Unix socket gets this mode and group.

        Raises:
            AddressInUse: the address can't be had; SettingsError: see SocketClaim.
        """
        self._claim: SocketClaim | None = None
        self._page = MetricsPage(render)
        self._reception = Reception(self._listen(address, mode, group), self._page.protocol)
        log.info("metrics are at %s", address)

    def _listen(self, address: str, mode: int, group: str) -> socket.socket:
        if address.startswith("unix:"):
            path = Path(address.removeprefix("unix://").removeprefix("unix:"))
            self._claim = SocketClaim(path, mode, group)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with self._claim.binding():
                listener.bind(str(path))
            return listener
        host, port = split_host(address)
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
            listener = socket.socket(family, kind, protocol)
            with contextlib.ExitStack() as unless_bound:
                unless_bound.callback(listener.close)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(place)
                unless_bound.pop_all()
        except OSError as error:
            raise AddressInUse(f"metrics can't be served at {address}: {error.strerror or error}") from None
        if not ipaddress.ip_address(str(place[0]).partition("%")[0]).is_loopback:
            log.warning("metrics are at %s, where other devices may read them: nobody is asked who he is", address)
        return listener

    async def close(self) -> None:
        """Answer nobody any more; closing twice is harmless."""
        self._reception.close()
        with contextlib.suppress(Exception):
            await self._page.close()
        self.release()

    def release(self) -> None:
        """Remove the socket; releasing twice is harmless."""
        if self._claim is not None:
            self._claim.release()
