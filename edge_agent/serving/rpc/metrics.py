"""The address at which the daemon is asked for its metrics."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
from collections.abc import Callable
from pathlib import Path

from edge_agent.errors import AddressInUse
from edge_agent.serving.http2.reception import Reception
from edge_agent.serving.observing.counts import Counts
from edge_agent.serving.observing.exposition import Exposition, write
from edge_agent.serving.observing.families import Families
from edge_agent.serving.observing.page import MetricsPage
from edge_agent.serving.observing.readings import FrontReading
from edge_agent.serving.rpc.listener import SocketClaim
from edge_agent.settings import Settings, split_host

log = logging.getLogger(__name__)


class MetricsServer:
    """Serves metrics until it is closed."""

    def __init__(self, settings: Settings, counts: Counts, read_front: Callable[[], FrontReading]) -> None:
        """Listen at the address of the settings.

        Raises:
            AddressInUse: the address can't be had; SettingsError: see SocketClaim.
        """
        self._claim: SocketClaim | None = None
        self._families = Families(counts, read_front, Path(settings.state_dir))
        self._page = MetricsPage(self._write)
        listener = self._listen(settings)
        self._reception = Reception(listener, self._page.protocol)
        log.info("metrics are at %s", settings.metrics)

    async def _write(self, accept: str) -> Exposition:
        return await write(self._families.gather(), accept, self._families.pace())

    def _listen(self, settings: Settings) -> socket.socket:
        address = settings.metrics
        if address.startswith("unix:"):
            path = Path(address.removeprefix("unix://").removeprefix("unix:"))
            self._claim = SocketClaim(path, int(settings.socket_mode, 8), settings.socket_group)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with self._claim.binding():
                listener.bind(str(path))
            return listener
        host, port = split_host(address)
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
            listener = socket.socket(family, kind, protocol)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
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
