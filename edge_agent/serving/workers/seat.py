"""A worker's place in its pool: the worker, the calls that it holds, and the memory that they lie in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple

from edge_agent.serving.workers.calls import Call
from edge_agent.serving.workers.messages import Noticed
from edge_agent.serving.workers.parcels import Parcel
from edge_agent.serving.workers.worker import WorkerLink


class Held(NamedTuple):
    """A call that a worker holds, with the parcels of its pixels and of its mask."""

    call: Call
    bitmap: Parcel | None
    mask: Parcel | None


@dataclass(eq=False, slots=True)
class Seat:
    """A worker and the calls that it holds, by number."""

    link: WorkerLink
    ready: asyncio.Future[None]
    #: calls that it holds at the most; 0 before it is ready and when it is lost
    room: int = 0
    #: calls that it inspects at once
    batch: int = 1
    calls: dict[int, Held] = field(default_factory=dict)
    #: parcels of pixels that it looks at once more, by the number of the call that was answered
    unsettled: dict[int, Parcel] = field(default_factory=dict)
    #: parcels that it may still touch, though their calls have ended
    stranded: list[Parcel] = field(default_factory=list)
    #: when it began with the oldest of its calls
    begun: float = 0.0
    watch: asyncio.TimerHandle | None = None
    #: what it has said last of the pictures
    remark: Noticed | None = None

    @property
    def free(self) -> int:
        """How many more calls it may hold."""
        return self.room - len(self.calls)

    def number_of(self, call: Call) -> int | None:
        """Return the number by which it knows a call; None when it does not hold it."""
        return next((number for number, held in self.calls.items() if held.call is call), None)

    def settle(self, number: int) -> None:
        """Give back the memory of a call's pixels, which the worker has done with."""
        parcel = self.unsettled.pop(number, None)
        if parcel is not None:
            parcel.release()

    def empty(self) -> list[Call]:
        """Take every call from a worker that is lost; until its process is gone it may go on to use their memory."""
        lost = list(self.calls.values())
        self.calls.clear()
        self.room = 0
        if self.watch is not None:  # it would keep the pool for as long as a call may take
            self.watch.cancel()
            self.watch = None
        for _, bitmap, mask in lost:
            self.stranded += [parcel for parcel in (bitmap, mask) if parcel is not None]
        return [held.call for held in lost]

    def release_stranded(self) -> None:
        """Give back the memory that a worker could touch whose process is gone now."""
        for parcel in (*self.stranded, *self.unsettled.values()):
            parcel.release()
        self.stranded.clear()
        self.unsettled.clear()
