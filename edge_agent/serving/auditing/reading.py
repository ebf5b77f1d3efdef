"""Reads the trail: the entries somebody asks for, and whether any was removed, edited or swapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edge_agent.serving.auditing.chain import FIRST, Link, follows, read_line
from edge_agent.serving.auditing.files import HEAD_NAME, lines, parts, read_head, read_note
from edge_agent.serving.auditing.trail import BEGUN, DELETED, EXCHANGED, GAP, REMOVED, UNNOTED


class Verified(NamedTuple):
    """What was found."""

    entries: int
    first: int
    last: int
    #: entries that say themselves that others could not be written
    gaps: int
    #: what is wrong, in the order in which it was found
    problems: list[str]
    #: what can't be told, and need not be wrong
    notes: list[str]


def read_entries(folder: Path, since: str = "", model: str = "") -> Iterator[dict[str, Any]]:
    """Give the entries from a time on (as the entries write it), of one model or of all."""
    for path in parts(folder):
        for _, line in lines(path):
            try:
                content, _ = read_line(line)
            except ValueError:
                continue
            if str(content.get("time", "")) >= since and (not model or content.get("model") == model):
                yield content


def verify(folder: Path, known: Sequence[Link] = ()) -> Verified:
    """Follow the chain from the oldest entry to the newest.

    `known` are entries that somebody has noted elsewhere, each with its hash or the beginning of it.

    Raises:
        OSError: the trail can't be read.
    """
    head = read_head(folder)  # before the lines: what is written meanwhile comes after it
    chain = _Chain()
    for path in parts(folder):
        for number, line in lines(path):
            chain.take(line, f"{path.name}, line {number}")
    problems = [*chain.problems]
    if head is not None:
        problems += chain.compare(head)
    if _headless(folder, chain.count):
        untold = f": nothing tells whether entries after {chain.last} were removed" if head is None else ""
        problems.append(f"{HEAD_NAME} is missing or can't be read{untold}")
    problems += chain.beginning()
    for link in known:
        problems += chain.find(link)
    first = chain.first.entry if chain.first else 0
    return Verified(chain.count, first, chain.last, chain.gaps, problems, chain.notes)


class _Chain:
    """Lines, one after the other."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.first: Link | None = None
        self.count = self.gaps = self.last = 0
        self._first_line = b""
        self._before: Link | None = None
        self._hashes: dict[int, str] = {}
        #: the newest entry that was deleted because the trail keeps so much and no more
        self._deleted = Link(0, FIRST)

    def take(self, line: bytes, place: str) -> None:
        """Take the next line."""
        try:
            content, link = read_line(line)
        except ValueError as error:
            self.problems.append(f"{place}: {error}")
            self._before = None
            return
        if self.first is None:
            self.first, self._first_line = link, line
        elif self._before is not None:
            problem = _compare(self._before, link, line)
            if problem:
                self.problems.append(f"{place}: {problem}")
        self._before, self.last = link, max(self.last, link.entry)
        self.count += 1
        self._hashes[link.entry] = link.hash
        self._look_into(content, place)

    def _look_into(self, content: dict[str, Any], place: str) -> None:
        """Take note of what an entry says of the trail itself."""
        event = content.get("event")
        self.gaps += event == GAP
        if event == DELETED:
            self._deleted = Link(int(content.get("up_to", 0)), str(content.get("up_to_hash", "")))
        elif event == REMOVED:
            self.problems.append(
                f"{place}: the agent found {content.get('found')} entries where {content.get('expected')} were written"
            )
        elif event == EXCHANGED:
            self.problems.append(f"{place}: the agent found another entry before it than it had written there")
        elif event == UNNOTED:
            told = f"audit.lock named {noted}" if (noted := content.get("noted")) else "nothing told"
            self.problems.append(
                f"{place}: the agent found no {HEAD_NAME}, and {content.get('found')} entries; {told} as the last"
            )
        elif event == BEGUN:
            self.notes.append(
                f"{place}: the trail begins in a folder that was used before ({content.get('there_was')}): "
                "nothing tells whether there was one before it"
            )

    def beginning(self) -> Iterator[str]:
        """Say what is wrong where the trail begins."""
        if self.first is None:
            return
        if self.first.entry != self._deleted.entry + 1:
            yield f"the trail begins with entry {self.first.entry}: entries before it were removed"
        elif not follows(self._first_line, self._deleted.hash):
            yield f"entry {self.first.entry}, the first, was edited"

    def compare(self, head: Link) -> Iterator[str]:
        """Say what is wrong beside what the writer has noted as its last entry."""
        if self.last < head.entry:
            yield f"the trail ends with entry {self.last}, but {head.entry} were written: the last were removed"
        elif self._hashes.get(head.entry) not in (head.hash, None):
            yield f"entry {head.entry} is not the one that was written"

    def find(self, known: Link) -> Iterator[str]:
        """Say what is wrong beside an entry that is known from elsewhere."""
        found = self._hashes.get(known.entry)
        if found is None:
            kept = f"{self.first.entry} to {self.last}" if self.first is not None else "none"
            yield f"entry {known.entry} is not there: the entries that are there are {kept}"
        elif not found.startswith(known.hash):
            yield f"entry {known.entry} has the hash {found[:16]}…, and not {known.hash[:16]}…: it is another one"


def _headless(folder: Path, entries: int) -> bool:
    """Tell whether the note of the last entry is still not there after the lines were read.

    The writer makes an empty one before the trail's file, and then fills it.
    """
    path = folder / HEAD_NAME
    if read_note(path) is not None:
        return False
    return entries > 0 or not path.is_file() or path.stat().st_size > 0


def _compare(before: Link, link: Link, line: bytes) -> str:
    """Say what is wrong between two lines; "" for nothing."""
    if link.entry == before.entry + 1:
        return "" if follows(line, before.hash) else f"entry {link.entry}, or the one before it, was edited"
    if link.entry > before.entry + 1:
        return f"entry {link.entry} follows entry {before.entry}: what stood between them was removed"
    return f"entry {link.entry} follows entry {before.entry}: they were swapped, or one was added"
