"""Output pins: set by outcomes, with delay and pulse; all safe while the line can't inspect."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import threading
import time
from collections.abc import Sequence

from edge_agent.errors import OutputError
from edge_agent.hardware.digital_output import DigitalOutput
from edge_agent.line.tables.outputs import Pin

log = logging.getLogger("edge_agent.line")


class Pins:
    """The pins of a line. Used by one thread."""

    def __init__(self, pins: Sequence[Pin]) -> None:
        self._pins = pins
        self._outputs = {
            pin: DigitalOutput(
                pin.chip,
                pin.line,
                active_low=pin.active_low,
                active_at_start=bool(pin.safe),
                active_at_end=bool(pin.safe),
            )
            for pin in pins
            if pin.chip
        }
        #: what is to come: at a time, and at a position of the encoder
        self._later: list[tuple[float, int, Pin, int]] = []
        self._places: list[tuple[int, int, Pin, int]] = []
        self._order, self._count = itertools.count(), 0
        self._broken: set[Pin] = set()
        self._written: dict[Pin, int] = {}
        #: set when a pin has another value than before; whoever waits for it clears it
        self.changed = threading.Event()

    def values(self) -> list[tuple[Pin, int | None]]:
        """Give each pin as it was written last, None for one that could not be; from any thread."""
        return [(pin, None if pin in self._broken else self._written.get(pin)) for pin in self._pins]

    def broken(self) -> int:
        """Say how many pins could not be set when they last had to be."""
        return len(self._broken)

    def safe(self) -> None:
        """Write each pin's safe value, and forget what was to come."""
        self._later.clear()
        self._places.clear()
        for pin in self._pins:
            self._write(pin, pin.safe)

    def able(self) -> None:
        """Say that the line can inspect."""
        for pin in self._pins:
            self._write(pin, 1 if pin.on == "able" else 0)

    def mark(self, outcome: str, position: int = 0) -> None:
        """Set the pins of `failed` or `early`; the others stay as they are."""
        self._set(outcome, [pin for pin in self._pins if pin.on == outcome], position)

    def outcome(self, outcome: str, position: int = 0) -> int:
        """Set the pins of an outcome, and those of others not, each after its delay.

        `position` is the encoder's when the part came. Returns by how many pulses a pin that had to be set comes too
        late: 0 when it does not. Then nothing is set.
        """
        late = [
            self._count - position - pin.delay_pulses for pin in self._pins if pin.on == outcome and pin.delay_pulses
        ]
        if max(late, default=0) > 0:
            return max(late)
        self._set(outcome, self._pins, position)
        return 0

    def _set(self, outcome: str, pins: Sequence[Pin], position: int) -> None:
        now = time.monotonic()
        for pin in pins:
            if pin.on == "able":
                continue
            value = int(pin.on == outcome)
            if not value and pin.pulse_ms:
                continue
            if pin.delay_pulses:
                heapq.heappush(self._places, (position + pin.delay_pulses, next(self._order), pin, value))
            else:
                self._plan(now + pin.delay_ms / 1000, pin, value)
        self.pulses(self._count)

    def _plan(self, at: float, pin: Pin, value: int) -> None:
        heapq.heappush(self._later, (at, next(self._order), pin, value))

    def pulses(self, count: int) -> float | None:
        """Take the encoder's position, and write what is due; return as `turn`."""
        self._count = count
        while self._places and self._places[0][0] <= count:
            _, _, pin, value = heapq.heappop(self._places)
            self._plan(time.monotonic(), pin, value)
        return self.turn()

    def turn(self) -> float | None:
        """Write what is due; return in how many seconds the next is, None for nothing."""
        while self._later:
            left = self._later[0][0] - time.monotonic()
            if left > 0:
                return left
            _, _, pin, value = heapq.heappop(self._later)
            self._write(pin, value)
            if value and pin.pulse_ms:  # from when it is set, which may be late: who reads it counts on the length
                self._plan(time.monotonic() + pin.pulse_ms / 1000, pin, 0)
        return None

    def _write(self, pin: Pin, value: int) -> None:
        try:
            if pin in self._outputs:
                self._outputs[pin].set(bool(value))
            else:
                _write_file(pin.path, value)
        except (OSError, OutputError) as error:
            if pin not in self._broken:
                log.error("a pin can't be set: %s", error)
            self._broken.add(pin)
            self._written.pop(pin, None)
            self.changed.set()
        else:
            self._broken.discard(pin)
            if self._written.get(pin) != value:
                self._written[pin] = value
                self.changed.set()

    def close(self) -> None:
        """Leave all pins at their safe values, and let them go."""
        self.safe()
        for output in self._outputs.values():
            output.close()


def _write_file(path: str, value: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(descriptor, b"%d\n" % value, 0)
    finally:
        os.close(descriptor)
