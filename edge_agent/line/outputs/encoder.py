"""How far the belt has gone, in pulses of an encoder at a digital input. Used by one thread."""

from __future__ import annotations

import logging
import time
from collections import deque

from edge_agent.errors import OutputError
from edge_agent.hardware.digital_input import DigitalInput
from edge_agent.line.tables.outputs import Encoder

log = logging.getLogger("edge_agent.line")

#: pulses whose times are remembered: a part that came before is farther than any delay may be
_REMEMBERED = 100_000
_AGAIN_SECONDS = 1.0


class Counter:
    """Counts pulses, and knows how many there had been at a time."""

    def __init__(self, table: Encoder) -> None:
        """Try to take the input."""
        self._table = table
        self._times: deque[float] = deque(maxlen=_REMEMBERED)
        self._input: DigitalInput | None = None
        self._again_at = 0.0
        #: why there are no pulses; "" when they are counted
        self.problem = ""
        self.count = 0
        self.open()

    def open(self) -> None:
        """Take the input if it has not been, now and then."""
        if self._input is not None or time.monotonic() < self._again_at:
            return
        table = self._table
        found = DigitalInput(table.chip, table.line, edge=table.edge, debounce=table.debounce_ms / 1000)
        try:
            found.open()
        except OutputError as error:
            self._lose(f"the encoder: {error}")
        else:
            self._input, self.problem = found, ""

    def _lose(self, problem: str) -> None:
        if problem != self.problem:
            log.error("%s", problem)
        self.problem, self._again_at = problem, time.monotonic() + _AGAIN_SECONDS
        if self._input is not None:
            self._input.close()
            self._input = None

    def files(self) -> list[int]:
        """Give the descriptor that can be read when there are pulses, if there is one."""
        return [self._input.fileno()] if self._input is not None else []

    def take(self) -> int:
        """Count what has come; return the position."""
        try:
            while self._input is not None and (edges := self._input.edges(0)):
                self._times.extend(edges)
                self.count += len(edges)
        except OutputError as error:
            self._lose(f"the encoder: {error}")
        return self.count

    def at(self, when: float) -> int:
        """Give the position at a time, seconds of the monotonic clock."""
        after = 0
        for pulse in reversed(self._times):
            if pulse <= when:
                break
            after += 1
        return self.count - after

    def close(self) -> None:
        """Let the input go; closing twice is harmless."""
        if self._input is not None:
            self._input.close()
            self._input = None
