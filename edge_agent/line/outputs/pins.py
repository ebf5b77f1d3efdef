"""Output pins: set by outcomes, with delay and pulse; all safe while the line can't inspect."""

from __future__ import annotations

import heapq
import itertools
import logging
import os
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
        self._later: list[tuple[float, int, Pin, int]] = []
        self._count = itertools.count()
        self._broken: set[Pin] = set()

    def safe(self) -> None:
        """Write each pin's safe value, and forget what was to come."""
        self._later.clear()
        for pin in self._pins:
            self._write(pin, pin.safe)

    def able(self) -> None:
        """Say that the line can inspect."""
        for pin in self._pins:
            self._write(pin, 1 if pin.on == "able" else 0)

    def mark(self, outcome: str) -> None:
        """Set the pins of `failed` or `early`; the others stay as they are."""
        self._set(outcome, [pin for pin in self._pins if pin.on == outcome])

    def outcome(self, outcome: str) -> None:
        """Set the pins of an outcome, and those of others not, each after its delay."""
        self._set(outcome, self._pins)

    def _set(self, outcome: str, pins: Sequence[Pin]) -> None:
        now = time.monotonic()
        for pin in pins:
            if pin.on == "able":
                continue
            at = now + pin.delay_ms / 1000
            if pin.on == outcome:
                self._plan(at, pin, 1)
                if pin.pulse_ms:
                    self._plan(at + pin.pulse_ms / 1000, pin, 0)
            elif not pin.pulse_ms:
                self._plan(at, pin, 0)
        self.turn()

    def _plan(self, at: float, pin: Pin, value: int) -> None:
        heapq.heappush(self._later, (at, next(self._count), pin, value))

    def turn(self) -> float | None:
        """Write what is due; return in how many seconds the next is, None for nothing."""
        while self._later:
            left = self._later[0][0] - time.monotonic()
            if left > 0:
                return left
            _, _, pin, value = heapq.heappop(self._later)
            self._write(pin, value)
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
        else:
            self._broken.discard(pin)

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
