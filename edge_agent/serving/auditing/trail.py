"""Writes the trail: appends lines, has them on the disk before it returns, and begins a new part when one is large.

What can't be written (a full disk) is counted, and the next entry that can be written is preceded by one that says how
many are missing, since when and why.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge_agent.access.rights import describe_refusal
from edge_agent.serving.auditing.chain import NOTHING, Link, read_line, write_line
from edge_agent.serving.auditing.files import (
    HEAD_NAME,
    LOCK_NAME,
    NAME,
    last_line,
    part_name,
    parts,
    read_head,
    read_note,
)

#: events that are about the trail itself
GAP, DELETED, REMOVED, EXCHANGED = "gap", "old entries deleted", "entries removed", "last entry exchanged"
#: `audit.head` was not there, although entries were
UNNOTED = "note of the last entry removed"
#: the first entry, in a folder that an agent has used before
BEGUN = "trail begun anew"

#: a part is so much of all that is kept
_PART_SHARE = 8
_HEAD_BYTES = 80  # the entry's number, a space, its hash, and room


class Trail:
    """The trail in a folder; one process writes to it. Blocking, for as long as the disk takes: meant for a thread."""

    def __init__(self, folder: Path, most_bytes: int, used: Sequence[str] = ()) -> None:
        """Go on with the trail that is there, keeping about `most_bytes` of it.

        `used` are names of what shows, where a trail begins, that the folder was used before.

        Raises:
            OSError: the folder can't be written to; BlockingIOError when another process writes the trail.
        """
        self._folder, self._most = folder, most_bytes
        folder.mkdir(parents=True, exist_ok=True)
        #: entries that could not be written, in all
        self.lost = 0
        self._missing = 0  # of those, what the trail does not tell of yet
        self._missing_since = ""
        self._problem = ""
        self._lock = self._head = self._file = -1
        try:
            self._lock = os.open(folder / LOCK_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            head, unnoted = read_head(folder), read_note(folder / HEAD_NAME) is None
            self._head = os.open(folder / HEAD_NAME, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o640)
            self._file = self._open()
            self._link, self._size, self._first = self._recover()
        except BaseException:
            self.close()
            raise
        self._compare(head, unnoted, used)

    def _compare(self, head: Link | None, unnoted: bool, used: Sequence[str]) -> None:
        """Write what does not fit the note of the last entry: once the trail goes on, it can't be seen any more."""
        link = self._link
        if head is not None and head.entry > link.entry:
            self.append([{"event": REMOVED, "expected": head.entry, "found": link.entry}])
        elif head is not None and head.entry == link.entry and head.hash != link.hash:
            self.append([{"event": EXCHANGED, "expected": head.hash, "found": link.hash}])
        elif link.entry and unnoted:
            self.append([{"event": UNNOTED, "found": link.entry, "noted": head.entry if head is not None else 0}])
        elif head is None and used:
            self.append([{"event": BEGUN, "there_was": ", ".join(used)}])
        else:
            # So that a loss of power before the first of them is on the disk does not look like a note removed.
            self._note(link)
            with contextlib.suppress(OSError):
                os.fsync(self._head)

    def _note(self, link: Link) -> None:
        """Note the last entry, where it is looked for and beside that."""
        for descriptor in (self._head, self._lock):
            with contextlib.suppress(OSError):  # it then lags behind the trail, which tells nothing against that
                os.pwrite(descriptor, f"{link.entry} {link.hash}".ljust(_HEAD_BYTES).encode(), 0)

    @property
    def entries(self) -> int:
        """The number of the entry that was written last."""
        return self._link.entry

    @property
    def end(self) -> str:
        """The entry that was written last, with its hash."""
        return f"{self._link.entry}:{self._link.hash}"

    def _open(self) -> int:
        return os.open(self._folder / NAME, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o640)

    @property
    def problem(self) -> str:
        """Why entries can't be written at the moment; "" when they can."""
        return self._problem if self._missing else ""

    def _recover(self) -> tuple[Link, int, int]:
        """Find where the trail ends; what a power failure has cut off is removed, and counted as lost."""
        size = os.fstat(self._file).st_size
        whole = b""
        with os.fdopen(os.dup(self._file), "rb") as file:
            data = file.read()
        end = data.rfind(b"\n") + 1
        if end < size:
            os.ftruncate(self._file, end)
            self.miss(1, "it was cut off, by a loss of power, say")
        if end:
            whole = data[:end].splitlines()[-1]
            first = data.partition(b"\n")[0]
        else:
            whole = next(filter(None, map(last_line, reversed(parts(self._folder)[:-1]))), b"")
            first = b""
        try:
            link = read_line(whole)[1] if whole else NOTHING
            return link, end, read_line(first)[1].entry if first else link.entry + 1
        except ValueError:
            # Somebody has been at it. It goes on in a part of its own, and `audit verify` tells.
            (self._folder / NAME).rename(self._folder / part_name(int(time.time()) * 1000))
            os.close(self._file)
            self._file = self._open()
            return NOTHING, 0, 1

    def last_event(self) -> str:
        """Return the event of the newest entry; "" when there is none."""
        found = next(filter(None, map(last_line, reversed(parts(self._folder)))), b"")
        with contextlib.suppress(ValueError):
            return str(read_line(found)[0].get("event", ""))
        return ""

    def append(self, contents: Sequence[dict[str, Any]]) -> None:
        """Write entries, and have them on the disk; what can't be written is lost, and counted."""
        contents = [{"time": now()} | content for content in contents]
        gap = []
        if self._missing:
            told = {"missing": self._missing, "since": self._missing_since, "reason": self._problem}
            gap = [{"time": now(), "event": GAP} | told]
        if not gap and not contents:
            return
        link, data = self._link, bytearray()
        for content in [*gap, *contents]:
            line, link = write_line(link, content)
            data += line + b"\n"
        try:
            self._write(bytes(data))
            os.fdatasync(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):  # a line that is half there must not stay
                os.ftruncate(self._file, self._size)
            self.miss(len(contents), describe_refusal(error))
            return
        self._missing, self._missing_since, self._problem = 0, "", ""
        self._link, self._size = link, self._size + len(data)
        self._note(link)
        if self._size >= self._most // _PART_SHARE:
            with contextlib.suppress(OSError):
                self._begin_part()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def miss(self, count: int, reason: str, since: str = "") -> None:
        """Count entries that were lost; the next entry that can be written is preceded by one that tells of them."""
        self.lost += count
        self._missing += count
        self._missing_since = self._missing_since or since or now()
        self._problem = reason

    def _begin_part(self) -> None:
        (self._folder / NAME).rename(self._folder / part_name(self._first))
        os.close(self._file)
        self._file, self._size, self._first = self._open(), 0, self._link.entry + 1
        older = parts(self._folder)[:-1]
        total = sum(path.stat().st_size for path in older)
        for path in older[:-1]:
            if total <= self._most:
                break
            try:
                last = read_line(last_line(path))[1]
            except ValueError:  # somebody has been at it: it stays, for whoever looks into that
                continue
            total -= path.stat().st_size
            self.append([{"event": DELETED, "up_to": last.entry, "up_to_hash": last.hash}])
            if not self._missing:  # what is deleted is told of first
                path.unlink()

    def close(self) -> None:
        """Close the files; closing twice is harmless."""
        for descriptor in (self._file, self._head, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._head = self._lock = -1


def now() -> str:
    """Return the time as entries write it."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
