"""What a line's pins say, for whoever asks: a file beside the line's status, written by a thread of the supervisor.

A thread, because a disk may hang, and whoever has the pins must never wait for one.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import msgspec

from edge_agent.line.outputs.pins import Pins

log = logging.getLogger("edge_agent.line")

FILE_NAME = "pins.json"
#: at most so often
_SECONDS = 0.25
_END_SECONDS = 2.0


class PinState(msgspec.Struct, frozen=True):
    """One pin, as it was written last."""

    on: str
    #: the path of its file, or its chip and line
    place: str
    #: None: it could not be written
    value: int | None


class PinStates(msgspec.Struct, frozen=True):
    """All pins of a line."""

    pins: tuple[PinState, ...] = ()
    #: seconds since 1970
    at: float = 0.0


class Shown:
    """Writes the pins' values until it is closed."""

    def __init__(self, pins: Pins, folder: Path) -> None:
        self._pins, self._folder = pins, folder
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="pins shown", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        is_said = False
        while True:
            self._pins.changed.wait()
            self._pins.changed.clear()
            is_last = self._ending.is_set()  # before it is written: what changes meanwhile is written again
            try:
                self._write()
            except OSError as error:
                if not is_said:
                    log.warning("what the pins say can't be written for others: %s", error)
                is_said = True
            if is_last:
                return
            self._ending.wait(_SECONDS)

    def _write(self) -> None:
        pins = tuple(
            PinState(pin.on, pin.path or f"{pin.chip} {pin.line}", value) for pin, value in self._pins.values()
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._folder / f".{FILE_NAME}.new"
        new.write_bytes(msgspec.json.encode(PinStates(pins, time.time())))
        new.replace(self._folder / FILE_NAME)

    def close(self) -> None:
        """Write once more, and end; a disk that hangs is not waited for."""
        self._ending.set()
        self._pins.changed.set()
        self._thread.join(_END_SECONDS)


def read_pins(folder: Path) -> PinStates:
    """Read what was written last; no pins where there is nothing that could be read."""
    try:
        return msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=PinStates)
    except (OSError, msgspec.DecodeError):
        return PinStates()
