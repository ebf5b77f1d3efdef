"""What the daemon writes into the trail: entries in the order in which things happened, without the event loop waiting.

Whoever has to know that an entry is on the disk waits for it, but not for ever: a disk that is full or hangs holds up
no call.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from edge_agent.access.names import describe_user
from edge_agent.access.peer import Peer
from edge_agent.serving.auditing.patient import PatientTrail
from edge_agent.settings import Settings, audit_bytes

log = logging.getLogger(__name__)

_MOST_WAITING = 1000  # entries that wait for a disk that hangs
_PATIENCE = 2.0  # seconds that a call waits for its entry to be written
_RETRY = 10.0  # seconds after which it is tried whether there is room again
#: in a state folder that an agent has used there is one of them
_OF_AGENT = ("running.json", "records")
_LONGEST = 1000  # characters of a text that a client or a file has made


class Audit:
    """The daemon's side of its trail."""

    def __init__(self, trail: PatientTrail) -> None:
        self._trail = trail
        self._waiting: list[dict[str, Any]] = []
        self._dropped = self._dropped_told = 0
        self._flushing: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._said = ""

    @classmethod
    def of(cls, settings: Settings) -> Audit | None:
        """Open the trail of the state folder; None where it is off."""
        if settings.audit == "off":
            return None
        return cls(PatientTrail(Path(settings.state_dir), audit_bytes(settings), _OF_AGENT))

    @property
    def lost(self) -> int:
        """Entries that could not be written."""
        return self._trail.lost + self._dropped - self._dropped_told

    def began(self, version: str, settings: dict[str, Any]) -> None:
        """Write that the daemon starts, with its settings. Blocking."""
        ended = self._trail.last_event()
        more = {"note": "the agent before did not end in order"} if ended not in ("", "agent ended") else {}
        if self._trail.entries:
            # In the journal, which the agent's user can't change: what the trail must have from then on.
            log.info("the audit trail goes on after entry %s", self._trail.end)
        self._trail.append([{"event": "agent started", "version": version, "settings": settings} | more])
        self._tell()

    def note(self, event: str, **content: Any) -> None:
        """Write an entry soon; in the order of the calls."""
        if len(self._waiting) >= _MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.append({"event": event} | {name: _bounded(value) for name, value in content.items()})
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def record(self, call: str, model: str, peer: Peer, program: str, outcome: str, details: str = "") -> None:
        """Write what came of a client's call, and wait until it is on the disk."""
        user = await asyncio.to_thread(describe_user, peer.uid)
        more = {"details": details} if details else {}
        self.note(call, model=model, outcome=outcome, uid=peer.uid, user=user, pid=peer.pid, program=program, **more)
        if self._flushing is not None:
            _, late = await asyncio.wait([self._flushing], timeout=_PATIENCE)
            if late:
                log.warning("the audit trail is not written within %g s; calls go on", _PATIENCE)

    async def _flush(self) -> None:
        try:
            while self._waiting:
                entries, self._waiting = self._waiting, []
                if self._dropped > self._dropped_told:
                    self._trail.miss(self._dropped - self._dropped_told, "the disk took too long")
                    self._dropped_told = self._dropped
                await asyncio.to_thread(self._trail.append, entries)
        finally:
            self._flushing = None
        self._tell()

    def _tell(self) -> None:
        problem = self._trail.problem
        if problem and self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(_RETRY, self._try_again)
        if problem != self._said:
            if problem:
                log.error(
                    "the audit trail can't be written (%s) in %s; calls go on, and the gap will be recorded",
                    problem,
                    self._trail.folder,
                )
            else:
                log.warning("the audit trail is written again; the gap is recorded")
            self._said = problem

    def _try_again(self) -> None:
        self._retry = None
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._fill_gap())

    async def _fill_gap(self) -> None:
        await asyncio.to_thread(self._trail.append, [])
        await self._flush()

    async def close(self, how: str) -> None:
        """Write what is waiting, and that the daemon has ended."""
        if self._retry is not None:
            self._retry.cancel()
        self.note("agent ended", how=how)
        if self._flushing is not None:
            await asyncio.wait([self._flushing], timeout=_PATIENCE)
        if self._retry is not None:
            self._retry.cancel()
        if self._flushing is None:
            if self._trail.entries:
                log.info("the audit trail ends with entry %s", self._trail.end)
            self._trail.close()


def _bounded(value: Any) -> Any:
    return value if not isinstance(value, str) or len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"
