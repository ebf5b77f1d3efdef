"""What gives frames one after the other."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from edge_agent.inference.imaging.resize import U8


class Camera(Protocol):
    """A camera, a stream, a file. Used by one thread, and closed by it."""

    @property
    def name(self) -> str:
        """What to call it in a sentence."""

    @property
    def is_file(self) -> bool:
        """Tell whether it comes to an end, and waits for us."""

    @property
    def is_asked(self) -> bool:
        """Tell whether it gives a frame only when it is asked for one, by a trigger."""

    def open(self) -> None:
        """Connect.

        Raises:
            SourceFailed: it is not there.
        """

    def read(self, seconds: float) -> npt.NDArray[Any] | None:
        """Wait for a frame, at most about so long; the array is nobody else's.

        Raises:
            SourceFailed: it gives no more.
        """

    def to_rgb(self, frame: npt.NDArray[Any]) -> U8:
        """Make a picture of a frame, RGB [height, width, 3].

        Raises:
            InvalidRequest: it is none.
        """

    def close(self) -> None:
        """Let go; closing twice is harmless."""
