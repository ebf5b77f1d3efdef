"""A trail whose folder may not be writable yet: what is to be written until it is becomes a gap, and nothing waits."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_agent.access.rights import describe_refusal
from edge_agent.serving.auditing.trail import Trail, now


class PatientTrail:
    """A trail that is opened as soon as that can be done. Blocking, for as long as the disk takes."""

    def __init__(self, folder: Path, most_bytes: int, used_by: Sequence[str] = ()) -> None:
        """Try to open it; it raises nothing. A folder that has one of `used_by` now was used before; see Trail."""
        self.folder = folder
        self._arguments = folder, most_bytes, [name for name in used_by if (folder / name).exists()]
        self._trail: Trail | None = None
        self._missing = 0
        self._since = self._problem = ""
        self._closed = False
        self._open()

    def _open(self) -> Trail | None:
        if self._trail is None and not self._closed:
            try:
                self._trail = Trail(*self._arguments)
            except BlockingIOError:
                self._problem = "another process writes it"
            except OSError as error:
                self._problem = describe_refusal(error)
            else:
                if self._missing:
                    self._trail.miss(self._missing, self._problem, self._since)
                    self._missing = 0
        return self._trail

    @property
    def lost(self) -> int:
        """Entries that could not be written, in all."""
        return self._missing if self._trail is None else self._trail.lost

    @property
    def problem(self) -> str:
        """Why entries can't be written at the moment; "" when they can."""
        return self._problem if self._trail is None else self._trail.problem

    @property
    def entries(self) -> int:
        """Entries that were ever written, as far as that is known."""
        return 0 if self._trail is None else self._trail.entries

    @property
    def end(self) -> str:
        """The entry that was written last, with its hash; "" where that is not known."""
        return "" if self._trail is None else self._trail.end

    def last_event(self) -> str:
        """Return the event of the newest entry; "" when there is none, or it can't be read."""
        with contextlib.suppress(OSError):
            return "" if self._trail is None else self._trail.last_event()
        return ""

    def append(self, contents: Sequence[dict[str, Any]]) -> None:
        """Write entries, and have them on the disk; what can't be written is lost, and counted."""
        trail = self._open()
        if trail is None:
            self.miss(len(contents), self._problem)
        else:
            trail.append(contents)

    def miss(self, count: int, reason: str) -> None:
        """Count entries that were lost."""
        if self._trail is not None:
            self._trail.miss(count, reason)
        elif count:
            self._missing += count
            self._since = self._since or now()

    def close(self) -> None:
        """Close it; closing twice is harmless."""
        self._closed = True
        if self._trail is not None:
            self._trail.close()
