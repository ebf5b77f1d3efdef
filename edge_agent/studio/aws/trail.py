"""What CloudTrail was for: an entry for each operation, with the access key, in a trail like the agent's own."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from pathlib import Path
from typing import Any

from edge_agent.access.rights import describe_refusal
from edge_agent.serving.auditing.trail import Trail

log = logging.getLogger(__name__)

FOLDER = "service-audit"
_MOST_BYTES = 64 << 20
_MOST_WAITING = 10_000
_MOST_AT_ONCE = 500
_LONGEST = 1000


class ServiceTrail:
    """Writes entries in a thread: no call waits for the disk."""

    def __init__(self, data: Path) -> None:
        self._trail: Trail | None = None
        try:
            self._trail = Trail(data / FOLDER, _MOST_BYTES)
        except OSError as error:
            log.error("nothing is audited: %s can't be written to (%s)", data / FOLDER, describe_refusal(error))
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(_MOST_WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="audit", daemon=True)
        self._thread.start()

    def note(self, event: str, what: str, who: str, client: str, outcome: str, details: str = "") -> None:
        """Write an entry soon: an operation, of which project, model or object, the access key, and what came of it."""
        content = {"event": event, "model": what, "user": who, "client": client, "outcome": outcome}
        if details:
            content["details"] = details[:_LONGEST]
        try:
            self._waiting.put_nowait(content)
        except queue.Full:
            self._dropped += 1

    def _write(self) -> None:
        while True:
            entries = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while len(entries) < _MOST_AT_ONCE:
                    entries.append(self._waiting.get_nowait())
            if self._trail is not None:
                if self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    self._trail.miss(dropped, "the disk took too long")
                self._trail.append([entry for entry in entries if entry is not None])
            if None in entries:
                return

    def close(self) -> None:
        """Write what is waiting."""
        self._waiting.put(None)
        self._thread.join()
        if self._trail is not None:
            self._trail.close()
