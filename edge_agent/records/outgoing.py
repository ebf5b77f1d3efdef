"""From the daemon to the process that writes records: packets that the kernel takes now, or a bounded line of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from edge_agent.records.child import Child

#: records that wait here when the kernel takes no more: at 500 a second, for 8 seconds
_MOST_WAITING = 4096


class Outgoing:
    """Sends packets, and never waits. Lives in one event loop."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._packets: deque[tuple[bytes, int]] = deque()
        self._is_writing = False
        #: records that the kernel has not taken yet
        self.waiting = 0

    def send(self, packet: bytes, records: int) -> bool:
        """Send a packet with so many records now or later; False when there is no room for it."""
        if not self._packets:
            with contextlib.suppress(OSError):  # no room; or no memory for it, now
                self._child.channel.send(packet)
                return True
        if self.waiting + records > _MOST_WAITING or len(self._packets) >= _MOST_WAITING:
            return False
        self._packets.append((packet, records))
        self.waiting += records
        if not self._is_writing:
            self._is_writing = True
            asyncio.get_running_loop().add_writer(self._child.channel.fileno(), self._send_waiting)
        return True

    def _send_waiting(self) -> None:
        try:
            while self._packets:
                packet, records = self._packets[0]
                self._child.channel.send(packet)
                self._packets.popleft()
                self.waiting -= records
        except OSError:
            return
        self._stop_writing()

    def _stop_writing(self) -> None:
        if self._is_writing:
            self._is_writing = False
            asyncio.get_running_loop().remove_writer(self._child.channel.fileno())

    def end(self) -> int:
        """Give up what waits, and return how many records that were. Twice is harmless."""
        self._stop_writing()
        lost, self.waiting = self.waiting, 0
        self._packets.clear()
        return lost
