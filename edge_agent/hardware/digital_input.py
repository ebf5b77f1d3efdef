"""A digital input of the device, through libgpiod 2: when it changes.

    with DigitalInput("/dev/gpiochip0", 4) as barrier:
        for seconds in barrier.edges(1.0):
            ...

The kernel keeps edges that nobody has read yet, with the time of each (docs.kernel.org, userspace-api/gpio/chardev).
"""

from __future__ import annotations

import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from edge_agent.errors import OutputError
from edge_agent.hardware.digital_output import line_name, missing, reason, request_line

if TYPE_CHECKING:
    import gpiod

#: edges that the kernel keeps for a reader that is slow
_KEPT = 1024


class DigitalInput:
    """One input line, whose edges are counted from when it is opened."""

    def __init__(
        self,
        chip: str,
        line: int | str,
        *,
        edge: Literal["rising", "falling", "both"] = "rising",
        active_low: bool = False,
        debounce: float = 0.0,
    ) -> None:
        """Name the line, which edges count, and for how many seconds it has to rest before; nothing is opened yet."""
        self._chip, self._line, self._edge = chip, line, edge
        self._active_low, self._debounce = active_low, debounce
        self._request: gpiod.LineRequest | None = None

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return line_name(self._chip, self._line)

    def open(self) -> None:
        """Take the line, if that has not been done.

        Raises:
            OutputError: the package gpiod is missing, there is no such line, or somebody else has it.
        """
        if self._request is not None:
            return
        try:
            import gpiod
            from gpiod.line import Direction, Edge
        except ImportError:
            raise OutputError(missing("inputs")) from None
        settings = gpiod.LineSettings(
            direction=Direction.INPUT,
            edge_detection={"rising": Edge.RISING, "falling": Edge.FALLING, "both": Edge.BOTH}[self._edge],
            active_low=self._active_low,
            debounce_period=datetime.timedelta(seconds=self._debounce),
        )
        self._request, _ = request_line(self._chip, self._line, settings, kept=_KEPT)

    def fileno(self) -> int:
        """Give the descriptor that can be read when there is an edge."""
        self.open()
        assert self._request is not None
        return self._request.fd

    def edges(self, seconds: float) -> list[float]:
        """Wait for edges, at most so long; give the time of each, in seconds of the monotonic clock.

        Raises:
            OutputError: the line can't be opened or read.
        """
        self.open()
        assert self._request is not None
        try:
            if not self._request.wait_edge_events(datetime.timedelta(seconds=seconds)):
                return []
            return [event.timestamp_ns / 1e9 for event in self._request.read_edge_events()]
        except OSError as error:
            raise OutputError(f"{self.name} can't be read: {reason(error)}") from None

    def close(self) -> None:
        """Let the line go. Closing twice is harmless."""
        request, self._request = self._request, None
        if request is not None:
            request.release()

    def __enter__(self) -> DigitalInput:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
