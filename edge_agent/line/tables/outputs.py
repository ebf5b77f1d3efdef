"""Output pins, and the encoder that says when their parts are there."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge_agent.line.tables.basics import ChipLine, MaybePath, Milliseconds, Table


class Pin(Table, frozen=True, kw_only=True):
    """A line of a GPIO chip, or a file that 1 or 0 is written to (an output's `value` in sysfs)."""

    #: the outcome that sets it; `able`: it is 1 as long as the line can inspect
    on: Literal["pass", "reject", "look", "failed", "early", "able"]
    #: a chip such as /dev/gpiochip0, and the number or the name of its line
    chip: MaybePath = ""
    line: ChipLine = 0
    active_low: bool = False
    path: MaybePath = ""
    #: how long it stays set; 0: until the next part
    pulse_ms: Milliseconds = 0
    #: from the decision until it is set
    delay_ms: Milliseconds = 0
    #: or: pulses of the encoder from when the part came until it is set
    delay_pulses: Annotated[int, Meta(ge=0, le=100_000)] = 0
    #: what is written while the line can't inspect
    safe: Literal[0, 1] = 0

    def __post_init__(self) -> None:
        if bool(self.chip) == bool(self.path):
            raise ValueError("expected either chip and line, or path")
        if self.delay_ms and self.delay_pulses:
            raise ValueError("expected either delay_ms or delay_pulses")
        if self.on == "able" and (self.delay_ms or self.delay_pulses or self.pulse_ms):
            raise ValueError("a pin that says whether the line can inspect has neither delay nor pulse")


class Encoder(Table, frozen=True, kw_only=True):
    """The input at which an encoder's pulses say how far the belt has gone."""

    chip: Annotated[str, Meta(pattern="^/")]
    line: ChipLine
    edge: Literal["rising", "falling", "both"] = "rising"
    debounce_ms: Milliseconds = 0
