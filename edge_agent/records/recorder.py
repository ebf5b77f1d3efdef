"""The daemon's side of records: each verdict becomes a packet to a process of its own, and nothing here ever waits.

What the kernel does not take of them waits in a bounded line, and is counted when that is full.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TypeVar

import msgspec

from edge_agent.component.manifest import Manifest
from edge_agent.inference.verdict import Verdict
from edge_agent.records.child import Child
from edge_agent.records.condition.notice import Camera
from edge_agent.records.options import RecordsOptions
from edge_agent.records.pictures.rules import SKIPPED
from edge_agent.records.record import PACKET, Known, Note, Origin, Record, State, decode_state, encode, short_name
from edge_agent.records.refused import RefusedCalls
from edge_agent.records.shadow.passing import Judged

log = logging.getLogger(__name__)

#: packets that wait here when the kernel takes no more: at 500 a second, for 8 seconds
_MOST_WAITING = 4096
#: how often the process is told of refused calls
_REFUSED_SECONDS = 1.0

_M = TypeVar("_M")


class Recorder:
    """Sends records to the process that writes them. Lives in one event loop."""

    def __init__(self, options: RecordsOptions) -> None:
        argument = msgspec.json.encode(options).decode()
        self._child = Child("edge_agent.records.process", "the process that writes records", argument)
        self._waiting: deque[bytes] = deque()
        self._last_id = 0
        #: records that there was no room for, and how many of them the process has not been told of
        self.dropped = self._untold = 0
        #: pictures that were given to be kept, and those that should have been and were not
        self.pictures_kept = self.pictures_skipped = 0
        #: pictures that a shadow model had no time for, by the first model
        self.shadows_skipped: Counter[str] = Counter()
        self._refused = RefusedCalls()
        self._refused_timer: asyncio.TimerHandle | None = None
        #: what the process has said last
        self.state = State()
        self._is_writing = False
        self._is_open = False
        self._told: dict[tuple[str, ...], Known | Camera] = {}
        self._child.on_start = self._tell_again

    @property
    def waiting(self) -> int:
        """Records that the kernel has not taken yet."""
        return len(self._waiting)

    @property
    def pid(self) -> int:
        """The process's id; 0 while there is none."""
        return self._child.pid

    def open(self) -> None:
        """Start the process."""
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._child.open(self._read_state)

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
        self._send(encode(judged))

    def refused(self, model: str, reason: str, details: str) -> None:
        """Count a detection that got no verdict; the process is told once a second at the most."""
        self._refused.count(model, reason, details)
        if self._refused_timer is None and self._is_open:
            self._refused_timer = self._loop.call_later(_REFUSED_SECONDS, self._send_refused)

    def _send_refused(self) -> None:
        self._refused_timer = None
        self._refused.send(lambda refused: self._send(encode(refused)))
        if self._refused:
            self._refused_timer = self._loop.call_later(_REFUSED_SECONDS, self._send_refused)

    def _stop_refused(self) -> None:
        if self._refused_timer is not None:
            self._refused_timer.cancel()
            self._refused_timer = None

    def _tell(self, key: tuple[str, ...], told: Known | Camera) -> None:
        self._told[key] = told
        if self._is_open:
            self._send(encode(told))

    def _tell_again(self) -> None:
        """Tell a process that has just been started what the one before it knew."""
        for told in self._told.values():
            self._send(encode(told))

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
            self._note(model, version, verdict, size, (time.monotonic() - begun) * 1000, origin)

        return answered

    def _note(
        self, model: str, version: str, verdict: Verdict, size: tuple[int, int], milliseconds: float, origin: Origin
    ) -> None:
        at = time.time_ns() // 1000
        self._last_id = number = max(self._last_id + 1, at)
        picture = verdict.picture
        if picture == SKIPPED:
            self.pictures_skipped += 1
            picture = ""
        elif picture:
            self.pictures_kept += 1
        if verdict.shadow == SKIPPED:
            self.shadows_skipped[model] += 1
        record = Record(
            number,
            at,
            model,
            version,
            verdict.is_anomalous,
            verdict.score,
            verdict.threshold,
            verdict.confidence,
            {area.label: area.fraction for area in verdict.areas[1:]},
            *size,
            milliseconds,
            origin.uid,
            origin.pid,
            origin.program,
            short_name(origin.part),
            short_name(origin.station),
            picture,
            "" if verdict.shadow == SKIPPED else verdict.shadow,
        )
        if self._send(encode(Note(record, self._untold))):
            self._untold = 0
        else:
            self.dropped += 1
            self._untold += 1

    def _send(self, packet: bytes) -> bool:
        """Send a packet now or later; False when there is no room for it."""
        if not self._waiting:
            with contextlib.suppress(OSError):  # no room; or no memory for it, now
                self._child.channel.send(packet)
                return True
        if len(self._waiting) >= _MOST_WAITING:
            return False
        self._waiting.append(packet)
        if not self._is_writing:
            self._is_writing = True
            self._loop.add_writer(self._child.channel.fileno(), self._send_waiting)
        return True

    def _send_waiting(self) -> None:
        try:
            while self._waiting:
                self._child.channel.send(self._waiting[0])
                self._waiting.popleft()
        except OSError:
            return
        self._stop_writing()

    def _stop_writing(self) -> None:
        if self._is_writing:
            self._is_writing = False
            self._loop.remove_writer(self._child.channel.fileno())

    def _read_state(self) -> None:
        try:
            while True:
                self.state = decode_state(self._child.channel.recv(PACKET))
                self._last_id = max(self._last_id, self.state.last_id)
        except (OSError, msgspec.DecodeError):
            return

    async def close(self) -> None:
        """Let the process write what it has been sent, for a few seconds at the most. Closing twice is harmless."""
        if self._refused_timer is not None:
            self._stop_refused()
            self._refused.send(lambda refused: self._send(encode(refused)))
        self._stop_writing()
        if self._waiting:
            log.warning("%d records are lost: they could not be written before the end", len(self._waiting))
            self._waiting.clear()
        await self._child.close()

    def kill(self) -> None:
        """End at once; the process ends by itself when it has written what it was sent."""
        self._stop_refused()
        self._stop_writing()
        self._child.let_go()
