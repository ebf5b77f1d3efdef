"""Output pins."""

from __future__ import annotations

from typing import Literal

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
    delay_ms: Milliseconds = 0
    #: what is written while the line can't inspect
    safe: Literal[0, 1] = 0

    def __post_init__(self) -> None:
        if bool(self.chip) == bool(self.path):
            raise ValueError("expected either chip and line, or path")
