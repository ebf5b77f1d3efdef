"""What every source of pictures does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from edge_agent.inference.imaging.resize import U8
from edge_agent.line.status import CameraState

#: who asked for the decision of a part gets what is told of it, as an event has it
Answer = Callable[[Mapping[str, object]], None]


class SourceFailed(Exception):
    """The camera, the folder or the trigger gives nothing; the text says why."""

    def __init__(self, text: str, camera: CameraState = "gone") -> None:
        super().__init__(text)
        self.camera = camera


class Part(NamedTuple):
    """A part that has come: its picture, or why there is none."""

    name: str
    #: RGB [height, width, 3]
    pixels: U8 | None
    problem: str = ""
    path: Path | None = None
    answer: Answer | None = None
    #: when it came, seconds of the monotonic clock; 0: when it was taken
    at: float = 0.0
    #: it came while there was no room for it
    is_early: bool = False
    #: what a picture that can't be used says of the camera
    camera: CameraState = "well"


class Source(Protocol):
    """Where parts come from. Used by one thread."""

    def next(self, seconds: float) -> Part | None:
        """Wait for the next part, at most so long.

        Raises:
            SourceFailed: there will be none until something changes; it may be asked again.
        """

    def left_out(self) -> list[Part]:
        """Take the parts that can't be inspected, since this was asked last: too early, or without a picture."""

    def is_over(self) -> bool:
        """Tell whether no part will ever come again."""

    def done(self, part: Part, outcome: str) -> None:
        """Let go of a part that has been decided."""

    def close(self) -> None:
        """Let go of everything."""


def named(stem: str) -> str:
    """Give a part that nobody has named a name of its own."""
    return f"{stem}-{time.time_ns() // 1000}"
