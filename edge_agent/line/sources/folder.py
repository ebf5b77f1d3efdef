"""Pictures that somebody puts into a folder. Nothing is lost: what is not yet decided stays there.

What inotify tells goes into a queue. The folder is listed only when it is opened, and now and then for what inotify
does not tell: a listing for each part would take longer and longer the more pictures wait.
"""

from __future__ import annotations

import contextlib
import fnmatch
import heapq
import os
import stat
import time
from pathlib import Path
from typing import NamedTuple

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import InvalidRequest
from edge_agent.line.reading import moved_to
from edge_agent.line.sources.decoding import decode_file
from edge_agent.line.sources.freezing import Freezing
from edge_agent.line.sources.inotify import Watch
from edge_agent.line.sources.source import Part, SourceFailed
from edge_agent.line.tables.sources import Folder

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
#: a folder on a network tells nothing of what other machines do: it is listed this often, too
_LOOK_SECONDS = 0.25
#: but a large one less often: listing has at most one part in so many of the time
_LISTING_SHARE = 20


class _State(NamedTuple):
    """What tells whether a file is still the one that it was."""

    changed: int
    size: int
    number: int

    def is_same(self, other: _State) -> bool:
        """Tell whether it is the same file; its time is set by programs that copy after they have closed it."""
        return (self.size, self.number) == (other.size, other.number)


class FolderSource:
    """A watched folder."""

    def __init__(self, table: Folder) -> None:
        self.table, self._folder = table, Path(table.path)
        self._watch: Watch | None = None
        self._list_at = 0.0
        #: whole files whose turn has not come, and the same in the order of their turns
        self._ready: dict[str, _State] = {}
        self._turns: list[tuple[int, str]] = []
        #: files that nobody was seen to close, and since when they are as they are
        self._unsure: dict[str, tuple[_State, float]] = {}
        #: those that were decided and stay where they are
        self._kept: dict[str, _State] = {}
        self._taken: _State | None = None
        #: what was decided and could not be moved or deleted yet, and the outcome
        self._left: tuple[Path, str] | None = None
        self._freezing = Freezing(table.frozen_frames)
        self._word = time.monotonic()

    def next(self, seconds: float) -> Part | None:
        end = time.monotonic() + seconds
        self._take_away()
        while True:
            self._take_news(0)
            while self._turns:
                changed, name = heapq.heappop(self._turns)
                whole = self._ready.get(name)
                if whole is None or whole.changed != changed:
                    continue  # it was written again, and has another turn
                del self._ready[name]
                state = self._state_of(name)
                if state is not None and state.is_same(whole):  # else it has gone, or is being written again
                    self._taken, self._word = state, time.monotonic()
                    return self._part(name)
            now = time.monotonic()
            if 0 < self.table.silent_seconds < now - self._word:
                raise SourceFailed(f"{self._folder}: no picture has come for {now - self._word:.0f} s")
            if now >= end:
                return None
            self._take_news(max(0.0, min(end, self._list_at) - now))

    def _part(self, name: str) -> Part:
        part = read_part(self.table, self._folder / name)
        if part.pixels is not None and (problem := self._freezing.problem(part.pixels)):
            return part._replace(pixels=None, problem=f"the camera {problem}", camera="frozen")
        return part

    def _take_news(self, seconds: float) -> None:
        """Put whole files into the queue; wait for one, at most so long."""
        try:
            if self._watch is None:
                self._watch, self._list_at = Watch(self._folder), 0.0
            for name in self._watch.wait(seconds):
                if self._wants(name) and (state := self._new(name)) is not None:
                    self._enqueue(name, state)
            if time.monotonic() >= self._list_at:
                self._list()
        except OSError as error:
            self.close()
            raise SourceFailed(f"{self._folder}: {describe_refusal(error, self._folder)}") from None

    def _list(self) -> None:
        now = time.monotonic()
        with os.scandir(self._folder) as entries:
            names = {entry.name for entry in entries if self._wants(entry.name)}
        for name in names - self._ready.keys():
            if (state := self._new(name)) is None:
                continue
            last, since = self._unsure.get(name, (state, now))
            if last != state:
                since = now
            self._unsure[name] = state, since
            if now - since >= self.table.settle_seconds:
                self._enqueue(name, state)
        for name in self._unsure.keys() - names:
            del self._unsure[name]
        for name in self._kept.keys() - names:
            del self._kept[name]
        self._list_at = now + max(_LOOK_SECONDS, _LISTING_SHARE * (time.monotonic() - now))

    def _enqueue(self, name: str, state: _State) -> None:
        self._unsure.pop(name, None)
        self._ready[name] = state
        heapq.heappush(self._turns, (state.changed, name))

    def _wants(self, name: str) -> bool:
        return (
            (self.table.pixels is not None or name.lower().endswith(_SUFFIXES))
            and not name.startswith(".")
            and fnmatch.fnmatchcase(name, self.table.pattern)
        )

    def _new(self, name: str) -> _State | None:
        """Look at a file; None also when it was decided already, and kept."""
        state = self._state_of(name)
        return None if state is None or self._kept.get(name) == state else state

    def _state_of(self, name: str) -> _State | None:
        """Look at a file; None when it has gone, or is none."""
        try:
            found = (self._folder / name).stat()
        except FileNotFoundError:
            return None
        return _State(found.st_mtime_ns, found.st_size, found.st_ino) if stat.S_ISREG(found.st_mode) else None

    def waiting(self) -> list[Path]:
        """List what lies there now, in the order of its names, whole or not."""
        return sorted(path for path in self._folder.iterdir() if self._wants(path.name) and path.is_file())

    def left_out(self) -> list[Part]:
        return []  # they wait in the folder

    def is_over(self) -> bool:
        return False

    def done(self, part: Part, outcome: str) -> None:
        path = part.path
        assert path is not None
        with contextlib.suppress(SourceFailed):  # it is said when the next part is asked for
            self._take_news(0)
        state = self._state_of(path.name)
        assert self._taken is not None
        if state is None or path.name in self._ready or not state.is_same(self._taken):
            return  # it has gone, or another picture of that name has come, whose turn is still to come
        self._kept[path.name] = state  # also one that can't be taken away now: it would be inspected again and again
        self._left = path, outcome
        with contextlib.suppress(SourceFailed):  # as above
            self._take_away()

    def _take_away(self) -> None:
        """Move or delete the file that was decided last, as configured, if that is still to be done."""
        if self._left is None:
            return
        path, outcome = self._left
        try:
            is_same = self._state_of(path.name) == self._kept.get(path.name)  # else it has gone, or another has come
            if is_same and self.table.after == "delete":
                path.unlink(missing_ok=True)
            elif is_same and self.table.after == "move":
                self._move(path, outcome)
        except OSError as error:
            way = "deleted" if self.table.after == "delete" else "moved"
            raise SourceFailed(f"{path} was decided and can't be {way}: {describe_refusal(error)}") from None
        if self.table.after != "keep":
            self._kept.pop(path.name, None)
        self._left = None

    def _move(self, path: Path, outcome: str) -> None:
        folder = moved_to(self.table) / outcome
        folder.mkdir(parents=True, exist_ok=True)
        target, number = folder / path.name, 1
        while target.exists():  # a camera that begins again to count must not replace what was kept
            number += 1
            target = folder / f"{path.stem}-{number}{path.suffix}"
        path.rename(target)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self._ready.clear()
        self._turns.clear()
        self._unsure.clear()


def read_part(table: Folder, path: Path) -> Part:
    """Read a file; what is wrong with it stands in the part."""
    try:
        return Part(path.name, decode_file(table, path), path=path)
    except InvalidRequest as error:
        return Part(path.name, None, str(error), path)
