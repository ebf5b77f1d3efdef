"""The daemon's side of kept pictures: a process that it starts, and that says what it has. The workers talk to it."""

from __future__ import annotations

import msgspec

from edge_agent.records.child import Child
from edge_agent.records.options import PicturesOptions
from edge_agent.records.pictures.passing import PACKET
from edge_agent.records.pictures.stock import Stock, decode_stock


class PictureKeeping:
    """The process that keeps pictures. Lives in one event loop."""

    def __init__(self, options: PicturesOptions) -> None:
        argument = msgspec.json.encode(options).decode()
        self._child = Child("edge_agent.records.pictures.process", "the process that keeps pictures", argument)
        #: what it has said last that there is
        self.stock: tuple[Stock, ...] = ()
        #: pictures that it was given and could not store: the disk was full, or gone
        self.lost = 0

    @property
    def pid(self) -> int:
        """The process's id; 0 while there is none."""
        return self._child.pid

    def open(self) -> None:
        """Start the process."""
        self._child.open(self._read)

    async def first_word(self, seconds: float) -> None:
        """Wait until the process has said how it stands, once and for so many seconds at the most."""
        await self._child.first_word(seconds)

    def _read(self) -> None:
        try:
            while True:
                told = decode_stock(self._child.channel.recv(PACKET))
                self.stock = told.stock
                self.lost += told.lost
        except (OSError, msgspec.DecodeError):
            return

    def let_go(self) -> None:
        """End at once; the process ends by itself when it has stored what it was given."""
        self._child.let_go()

    async def close(self) -> None:
        """Let the process finish, for a few seconds at the most. Closing twice is harmless."""
        await self._child.close()
