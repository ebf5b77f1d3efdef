"""Clients whose calls are refused, told of in the log: at once, and then once a minute while it goes on.

An application that ignores a call's status reads a refused one as "normal". Whoever runs the line has to see it.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from edge_agent.access.names import describe_client
from edge_agent.access.peer import Peer, program_of
from edge_agent.logs import fields

log = logging.getLogger(__name__)

_MINUTE = 60.0
#: clients and reasons that are kept apart; calls of others are counted together
_MOST = 1000


@dataclass(slots=True)
class _Refused:
    """What one client is told again and again."""

    #: the client, in words
    who: str
    model: str
    pid: int
    count: int = 0
    last: str = ""


class Refusals:
    """Takes note of refused calls and tells of them."""

    def __init__(self, seconds: float = _MINUTE) -> None:
        """Tell of each client and reason every `seconds`."""
        self._seconds = seconds
        self._refused: dict[tuple[int, int, str, str], _Refused] = {}
        self._others = 0
        self._introducing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def note(self, peer: Peer, reason: str, rpc: str, model: str, details: str) -> None:
        """Take note of a call that was refused or has failed."""
        key = peer.pid, peer.uid, reason, model
        known = self._refused.get(key)
        if known is not None:
            known.count += 1
            known.last = details
            return
        if len(self._refused) >= _MOST:
            self._others += 1
            return
        self._refused[key] = refused = _Refused(f"process {peer.pid}", model, peer.pid)
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self.tell)
        text = f"{rpc} was refused ({reason}): {details}"
        task = loop.create_task(self._introduce(peer, program_of(peer.pid), refused, reason, text))
        self._introducing.add(task)
        task.add_done_callback(self._introducing.discard)

    async def _introduce(self, peer: Peer, program: str, refused: _Refused, reason: str, text: str) -> None:
        refused.who = await asyncio.to_thread(describe_client, peer, program)  # a user's name may have to be asked for
        more = fields(MODEL=refused.model, PID=peer.pid, REASON=reason)
        log.warning("%s: %s", refused.who, text, extra=more)

    def tell(self) -> None:
        """Tell what has been refused since this was last told; those who are quiet now are forgotten."""
        self._timer = None
        for key, refused in list(self._refused.items()):
            if not refused.count:
                del self._refused[key]
                continue
            log.warning(
                "%s: %d more calls were refused in the last %.0f s (%s), the last: %s",
                refused.who, refused.count, self._seconds, key[2], refused.last,
                extra=fields(MODEL=refused.model, PID=refused.pid, REASON=key[2]),
            )  # fmt: skip
            refused.count = 0
        if self._others:
            log.warning("%d more calls of other clients were refused in the last %.0f s", self._others, self._seconds)
            self._others = 0
        if self._refused:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self.tell)

    def close(self) -> None:
        """Tell what is left to tell."""
        if self._timer is not None:
            self._timer.cancel()
            self.tell()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
