"""Where a trail lies: `audit.jsonl`, older parts beside it by the number of their first entry, and how far it goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_agent.serving.auditing.chain import Link

NAME = "audit.jsonl"
HEAD_NAME = "audit.head"
#: held by the process that writes the trail, and a second note of its last entry
LOCK_NAME = "audit.lock"
_PART = "audit-{:012d}.jsonl"


def part_name(first: int) -> str:
    """Return the name of a part that begins with this entry."""
    return _PART.format(first)


def parts(folder: Path) -> list[Path]:
    """Return the files of a trail, the oldest first."""
    newest = folder / NAME
    return [*sorted(folder.glob("audit-*.jsonl")), *([newest] if newest.exists() else [])]


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the lines of a part, and the number of each in its file."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            yield number, line.removesuffix(b"\n")


def read_head(folder: Path) -> Link | None:
    """Return the entry that was written last, as the writer has noted it beside the trail; None where it has not.

    It is noted twice; the later of the two counts.
    """
    found = [link for link in (read_note(folder / HEAD_NAME), read_note(folder / LOCK_NAME)) if link is not None]
    return max(found, default=None, key=lambda link: link.entry)


def read_note(path: Path) -> Link | None:
    """Return the entry that a file names as the last; None where it names none."""
    try:
        entry, digest = path.read_text().split()
        return Link(int(entry), digest)
    except (OSError, ValueError):
        return None


def last_line(path: Path) -> bytes:
    """Return the last line of a part; b"" where it has none, or can't be read."""
    try:
        return (path.read_bytes().splitlines() or [b""])[-1]
    except OSError:
        return b""
