"""Where a trail lies: `audit.jsonl`, older parts beside it by the number of their first entry, and how far it goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_agent.serving.auditing.chain import Link

NAME = "audit.jsonl"
HEAD_NAME = "audit.head"
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
    """Return the entry that was written last, as the writer has noted it beside the trail; None where it has not."""
    try:
        entry, digest = (folder / HEAD_NAME).read_text().split()
        return Link(int(entry), digest)
    except (OSError, ValueError):
        return None
