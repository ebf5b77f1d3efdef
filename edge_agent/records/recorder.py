"""The daemon's side of records: what is told to the process that writes them, and nothing here ever waits.

A verdict is only put into a packet when it has been told (packing.py). The packet goes to the process a few times a
second, so that a call makes no system call and no other process run. What the kernel does not take waits in a bounded
line (outgoing.py), and is counted when that is full.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import msgspec

from edge_agent.component.manifest import Manifest
from edge_agent.inference.verdict import Verdict
from edge_agent.records.child import Child
from edge_agent.records.condition.notice import Camera
from edge_agent.records.options import RecordsOptions
from edge_agent.records.outgoing import Outgoing
from edge_agent.records.packing import Packing
from edge_agent.records.pictures.rules import SKIPPED
from edge_agent.records.record import PACKET, Known, Origin, Record, State, decode_state, encode, short_name
from edge_agent.records.refused import Refused, RefusedCalls
from edge_agent.records.shadow.passing import Judged

log = logging.getLogger(__name__)

#: so long a verdict may wait in the packet. Where somebody is told of verdicts, who may wait for it: not at all
_GATHER_SECONDS = 0.1
#: verdicts in a packet, at the most
_MOST_GATHERED = 32
#: how often the process is told of refused calls
_REFUSED_SECONDS = 1.0

_M = TypeVar("_M")


class Recorder:
    """Sends records to the process that writes them. Lives in one event loop."""

    def __init__(self, options: RecordsOptions) -> None:
        argument = msgspec.json.encode(options).decode()
        self._child = Child("edge_agent.records.process", "the process that writes records", argument)
        self._outgoing = Outgoing(self._child)
        self._packing = Packing(1 if options.events else _MOST_GATHERED)
        #: whether scores are looked at
        self.watches_drift = options.drift_pictures > 0
        self._timer: asyncio.TimerHandle | None = None
        self._last_id = 0
        #: records that there was no room for, and how many of them the process has not been told of
        self.dropped = self._untold = 0
        self._is_losing = False
        #: pictures that were given to be kept, and those that should have been and were not
        self.pictures_kept = self.pictures_skipped = 0
        #: pictures that a shadow model had no time for, by the first model
        self.shadows_skipped: Counter[str] = Counter()
        self._refused = RefusedCalls()
        self._refused_timer: asyncio.TimerHandle | None = None
        #: what the process has said last
        self.state = State()
        self._is_open = False
        self._told: dict[tuple[str, ...], Known | Camera] = {}
        self._child.on_start = self._tell_again

    @property
    def waiting(self) -> int:
        """Records that the kernel has not taken yet."""
        return self._outgoing.waiting

    @property
    def lost(self) -> dict[str, int]:
        """Records that are lost, by reason; those dropped here at once, though the process hears of them later."""
        return self.state.lost_by | {"no_room": self.dropped}

    @property
    def pid(self) -> int:
        """The process's id; 0 while there is none."""
        return self._child.pid

    def open(self) -> None:
        """Start the process."""
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._child.open(self._read_state)

    async def first_word(self, seconds: float) -> None:
        """Wait until the process has said how it stands, once and for so many seconds at the most."""
        await self._child.first_word(seconds)

    def know(self, manifest: Manifest) -> None:
        """Tell the process how the scores of a version were distributed in training, where that is known."""
        key = ("scores", manifest.name, manifest.version)
        if (scores := manifest.scores) is not None and key not in self._told:
            self._tell(key, Known(manifest.name, manifest.version, scores))

    def camera(self, camera: Camera) -> None:
        """Tell the process how the pictures of a model look now."""
        self._tell(("camera", camera.model), camera)

    def judged(self, judged: Judged) -> None:
        """Tell the process what a shadow model said of a picture."""
        self._outgoing.send(encode(judged), 0)

    def refused(self, model: str, reason: str, details: str) -> None:
        """Count a detection that got no verdict; the process is told once a second at the most."""
        self._refused.count(model, reason, details)
        if self._refused_timer is None and self._is_open:
            self._refused_timer = self._loop.call_later(_REFUSED_SECONDS, self._send_refused)

    def _send_refused(self) -> None:
        self._refused_timer = None
        self._refused.send(self._tell_refused)
        if self._refused:
            self._refused_timer = self._loop.call_later(_REFUSED_SECONDS, self._send_refused)

    def _tell_refused(self, refused: Refused) -> bool:
        return self._outgoing.send(encode(refused), 0)

    def _stop_refused(self) -> None:
        if self._refused_timer is not None:
            self._refused_timer.cancel()
            self._refused_timer = None

    def _tell(self, key: tuple[str, ...], told: Known | Camera) -> None:
        self._told[key] = told
        if self._is_open:
            self._outgoing.send(encode(told), 0)

    def _tell_again(self) -> None:
        """Tell a process that has just been started what the one before it knew."""
        for told in self._told.values():
            self._outgoing.send(encode(told), 0)

    def noting(
        self,
        on_answer: Callable[[Verdict, _M], None],
        *,
        model: str,
        version: str,
        size: tuple[int, int],
        origin: Origin,
    ) -> Callable[[Verdict, _M], None]:
        """Have an answer's verdict written down, after it has been given."""
        begun = time.monotonic()

        def answered(verdict: Verdict, mask: _M) -> None:
            on_answer(verdict, mask)
            at = time.time_ns() // 1000
            self._last_id = number = max(self._last_id + 1, at)
            milliseconds = (time.monotonic() - begun) * 1000
            record = self._record(number, at, model, version, verdict, size, milliseconds, origin)
            if self._packing.add(record):
                self._hand_over()
            elif self._timer is None:
                self._timer = self._loop.call_later(_GATHER_SECONDS, self._hand_over)

        return answered

    def _record(
        self,
        number: int,
        at: int,
        model: str,
        version: str,
        verdict: Verdict,
        size: tuple[int, int],
        milliseconds: float,
        origin: Origin,
    ) -> Record:
        picture, shadow, areas = verdict.picture, verdict.shadow, verdict.areas
        if picture == SKIPPED:
            self.pictures_skipped += 1
            picture = ""
        elif picture:
            self.pictures_kept += 1
        if shadow == SKIPPED:
            self.shadows_skipped[model] += 1
            shadow = ""
        return Record(
            number,
            at,
            model,
            version,
            verdict.is_anomalous,
            verdict.score,
            verdict.threshold,
            verdict.confidence,
            {area.label: area.fraction for area in areas[1:]} if areas else None,
            size[0],
            size[1],
            milliseconds,
            origin.uid,
            origin.pid,
            short_name(origin.program),
            short_name(origin.part),
            short_name(origin.station),
            picture,
            shadow,
        )

    def _hand_over(self) -> None:
        """Send the packet."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not (count := self._packing.count):
            return
        if self._outgoing.send(self._packing.take(self._untold), count):
            self._untold = 0
            self._is_losing = False
        else:
            if not self._is_losing:
                log.warning(
                    "records are being lost: the process that writes them takes no more, and may wait for a disk"
                )
            self._is_losing = True
            self.dropped += count
            self._untold += count

    def _read_state(self) -> None:
        try:
            while True:
                self.state = decode_state(self._child.channel.recv(PACKET))
                self._last_id = max(self._last_id, self.state.last_id)
        except (OSError, msgspec.DecodeError):
            return

    async def close(self) -> None:
        """Let the process write what it has been sent, for a few seconds at the most. Closing twice is harmless."""
        self._hand_over()
        if self._refused_timer is not None:
            self._stop_refused()
            self._refused.send(self._tell_refused)
        if lost := self._outgoing.end():
            log.warning("%d records are lost: they could not be written before the end", lost)
        await self._child.close()

    def kill(self) -> None:
        """End at once; the process ends by itself when it has written what it was sent."""
        self._stop_refused()
        self._hand_over()
        self._outgoing.end()
        self._child.let_go()
