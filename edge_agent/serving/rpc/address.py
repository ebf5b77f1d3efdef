"""The socket that clients come in by: bound, watched, and bound again when somebody takes its file away.

systemd-tmpfiles, a person, or the clean-up of another program may remove or rename it. The daemon would not notice: its
socket goes on to listen where nobody finds it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from edge_agent.errors import AddressInUse, SettingsError
from edge_agent.serving.http2.reception import Reception
from edge_agent.serving.rpc.listener import SocketClaim

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5


class Address:
    """Where clients are received, until it is closed."""

    def __init__(self, claim: SocketClaim, make_protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        """Bind the claimed socket and receive clients; the errors are those of SocketClaim.binding."""
        self._claim, self._make_protocol = claim, make_protocol
        self._reception = self._receive()
        self._trouble = ""
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    def _receive(self) -> Reception:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with self._claim.binding():
                listener.bind(str(self._claim.path))
        except BaseException:
            listener.close()
            raise
        return Reception(listener, self._make_protocol)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if not self._claim.is_there:
                await self._renew()

    async def _renew(self) -> None:
        """Bind the socket again; who is connected notices nothing."""
        path = self._claim.path
        try:
            await asyncio.to_thread(self._claim.renew)
            before, self._reception = self._reception, self._receive()
        except (AddressInUse, SettingsError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error("the socket %s was removed, and no client can connect: %s; it is tried again", path, error)
            return
        before.close()
        self._trouble = ""
        log.warning("the socket %s was removed or renamed by somebody; it has been bound again", path)

    def close(self) -> None:
        """Receive nobody any more, and leave the socket alone; closing twice is harmless."""
        self._watcher.cancel()
        self._reception.close()
