"""What every source of pictures does."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

from edge_agent.inference.imaging.resize import U8


class SourceFailed(Exception):
    """The camera, or the folder, gives no pictures; the text says why."""


class Part(NamedTuple):
    """A part that has come: its picture, or why there is none."""

    name: str
    #: RGB [height, width, 3]
    pixels: U8 | None
    problem: str = ""
    path: Path | None = None


class Source(Protocol):
    """Where parts come from. Used by one thread."""

    def next(self, seconds: float) -> Part | None:
        """Wait for the next part, at most so long.

        Raises:
            SourceFailed: there will be none until something changes; it may be asked again.
        """

    def early(self) -> int:
        """Take how many parts came too early, and were not inspected, since this was asked the last time."""

    def is_over(self) -> bool:
        """Tell whether no part will ever come again."""

    def done(self, part: Part, outcome: str) -> None:
        """Let go of a part that has been decided."""

    def close(self) -> None:
        """Let go of everything."""
