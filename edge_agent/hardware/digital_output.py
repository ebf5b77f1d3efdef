"""A digital output of the device, through libgpiod 2: one line that is active or not, and pulses on it.

    with DigitalOutput("/dev/gpiochip0", 17) as rejected:
        rejected.pulse(0.1)

The chip is the kernel's character device (https://docs.kernel.org/userspace-api/gpio/chardev.html), the package
`gpiod` its Python binding. A line belongs to whoever has requested it, until it is closed; the kernel takes it back
when the process is killed, and most drivers leave it at the level that it has then.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import OutputError

if TYPE_CHECKING:
    import gpiod

#: what others see of who has the line, in `gpioinfo`
CONSUMER = "edge-agent"


class DigitalOutput:
    """One output line. May be used by several threads, which then wait for each other's pulses."""

    def __init__(
        self,
        chip: str,
        line: int | str,
        *,
        active_low: bool = False,
        active_at_start: bool = False,
        active_at_end: bool = False,
    ) -> None:
        """Name the line; nothing is opened yet.

        Args:
            chip: path of the chip, such as /dev/gpiochip0.
            line: its number on the chip, or its name, as `gpioinfo` shows them.
            active_low: active is the low level: an inverting driver, or a load against the supply.
            active_at_start: the level that it gets when it is opened.
            active_at_end: the level that the line is left at when it is closed.
        """
        self._chip, self._line = chip, line
        self._active_low, self._active_at_start, self._active_at_end = active_low, active_at_start, active_at_end
        self._request: gpiod.LineRequest | None = None
        self._at = -1
        self._lock = threading.RLock()

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return line_name(self._chip, self._line)

    def open(self) -> None:
        """Take the line and give it its first level, if that has not been done.

        Raises:
            OutputError: the package gpiod is missing, there is no such line, or somebody else has it.
        """
        with self._lock:
            if self._request is not None:
                return
            try:
                import gpiod
                from gpiod.line import Direction, Value
            except ImportError:
                raise OutputError(MISSING) from None
            first = Value.ACTIVE if self._active_at_start else Value.INACTIVE
            settings = gpiod.LineSettings(direction=Direction.OUTPUT, active_low=self._active_low, output_value=first)
            self._request, self._at = request_line(self._chip, self._line, settings)

    def user(self) -> str:
        """Tell who has the line now, without taking it; "" for nobody.

        Raises:
            OutputError: as `open`.
        """
        try:
            import gpiod
        except ImportError:
            raise OutputError(MISSING) from None
        try:
            with gpiod.Chip(self._chip) as chip:
                info = chip.get_line_info(line_number(chip, self._line))
        except (OSError, ValueError) as error:
            raise OutputError(f"{self.name} can't be used: {reason(error, self._chip)}") from None
        return (info.consumer or "another program") if info.used else ""

    def set(self, active: bool) -> None:
        """Make the line active, or inactive; it is opened if it is not.

        Raises:
            OutputError: it can't be opened or set.
        """
        from gpiod.line import Value

        with self._lock:
            self.open()
            assert self._request is not None
            try:
                self._request.set_value(self._at, Value.ACTIVE if active else Value.INACTIVE)
            except OSError as error:
                raise OutputError(f"{self.name} can't be set: {reason(error)}") from None

    def pulse(self, seconds: float, wait: Callable[[float], object] = time.sleep) -> None:
        """Make the line active for so long. It is inactive when this returns, whatever `wait` did.

        Raises:
            OutputError: it can't be opened or set.
        """
        with self._lock:
            self.open()
            self.set(True)
            try:
                wait(seconds)
            finally:
                self.set(False)

    def close(self) -> None:
        """Set the level for the end, and let the line go. Closing twice is harmless."""
        with self._lock:
            request = self._request
            if request is None:
                return
            try:
                self.set(self._active_at_end)
            except OutputError:
                pass  # the chip has gone: there is nothing to leave at any level
            finally:
                self._request = None
                request.release()

    def __enter__(self) -> DigitalOutput:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def missing(what: str) -> str:
    """Say what is to be installed for digital `what`."""
    return f"digital {what} need the package gpiod: pip install 'edge-agent[gpio]'"


MISSING = missing("outputs")


def line_name(chip: str, line: int | str) -> str:
    """Say which line it is."""
    return f"line {line} of {chip}"


def request_line(
    chip: str, line: int | str, settings: gpiod.LineSettings, *, kept: int = 0
) -> tuple[gpiod.LineRequest, int]:
    """Take a line, and give its number too; the kernel keeps `kept` edges that nobody has read, 0: as many as it likes.

    Raises:
        OutputError: there is no such line, or somebody else has it.
    """
    import gpiod

    try:
        with gpiod.Chip(chip) as opened:
            number = line_number(opened, line)
            return opened.request_lines({number: settings}, consumer=CONSUMER, event_buffer_size=kept), number
    except (OSError, ValueError) as error:
        raise OutputError(f"{line_name(chip, line)} can't be used: {reason(error, chip)}") from None


def line_number(chip: gpiod.Chip, line: int | str) -> int:
    """Give the number of a chip's line, of which the name or the number is known.

    Raises:
        ValueError: there is no such line.
        OSError: the chip can't be asked.
    """
    if isinstance(line, int):
        count = chip.get_info().num_lines
        if not 0 <= line < count:
            raise ValueError(f"the chip has lines 0 to {count - 1}")
        return line
    try:
        return chip.line_offset_from_id(line)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        raise ValueError("the chip has no line of that name") from None


def reason(error: OSError | ValueError, chip: str = "") -> str:
    """Say why a chip refused, in words; of a right that is lacking also whose the chip is."""
    if isinstance(error, OSError) and error.strerror:
        words = describe_refusal(error, Path(chip)) if chip else error.strerror
        return words + ("; somebody else has it: gpioinfo says who" if error.errno == errno.EBUSY else "")
    return str(error)
