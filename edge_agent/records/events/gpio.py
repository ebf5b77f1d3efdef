"""The sender to a digital output: a pulse for each event, one after another, with a pause between them."""

from __future__ import annotations

import time

from edge_agent.errors import OutputError
from edge_agent.hardware.digital_output import DigitalOutput
from edge_agent.records.events.event import Event
from edge_agent.records.events.rules import Gpio
from edge_agent.records.events.sender import SendFailed


class GpioSender:
    """Gives pulses. The line is taken, and inactive, from the first `idle` or `send` on."""

    def __init__(self, rule: Gpio, device: str) -> None:
        self._rule = rule
        self._output = DigitalOutput(
            rule.chip, rule.line, active_low=rule.active_low, active_at_end=rule.at_end == "active"
        )
        self._free_at = 0.0

    def send(self, events: list[Event]) -> None:
        for _ in events:
            time.sleep(max(0.0, self._free_at - time.monotonic()))
            try:
                self._output.pulse(self._rule.pulse_ms / 1000)
            except OutputError as error:
                raise SendFailed(str(error)) from None
            self._free_at = time.monotonic() + self._rule.pause_ms / 1000

    def idle(self) -> None:
        """Have the line, so that it is inactive before the first verdict."""
        try:
            self._output.open()
        except OutputError as error:
            raise SendFailed(str(error)) from None

    def close(self) -> None:
        self._output.close()
