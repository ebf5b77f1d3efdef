"""What says that a part is there, for sources of frames: the part is the first frame `delay_ms` after it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge_agent.line.tables.basics import Broker, ChipLine, Listens, Milliseconds, Table


class EveryFrame(Table, frozen=True, kw_only=True):
    """Every frame is a part."""

    kind: Literal["frame"]


class Interval(Table, frozen=True, kw_only=True):
    """A part in so long."""

    kind: Literal["interval"]
    interval_ms: Annotated[float, Meta(gt=0, le=3_600_000)]


class Input(Table, frozen=True, kw_only=True):
    """An edge of a digital input: a light barrier, or a PLC's output."""

    kind: Literal["input"]
    delay_ms: Milliseconds = 0
    chip: Annotated[str, Meta(pattern="^/")]
    line: ChipLine
    edge: Literal["rising", "falling", "both"] = "rising"
    active_low: bool = False
    #: how long the input has to rest until an edge counts; the kernel sees to it
    debounce_ms: Milliseconds = 0


class MqttTrigger(Broker, frozen=True, kw_only=True):
    """A message of a topic; its text is the part's id."""

    kind: Literal["mqtt"]
    delay_ms: Milliseconds = 0


class HttpTrigger(Listens, frozen=True, kw_only=True):
    """A POST, whose answer is the decision; `?part=ID` names the part."""

    kind: Literal["http"]
    delay_ms: Milliseconds = 0


class Command(Table, frozen=True, kw_only=True):
    """`edge-agent line trigger FILE`."""

    kind: Literal["command"]
    delay_ms: Milliseconds = 0


AnyTrigger = EveryFrame | Interval | Input | MqttTrigger | HttpTrigger | Command
TRIGGERS: dict[str, type[Table]] = {
    "frame": EveryFrame,
    "interval": Interval,
    "input": Input,
    "mqtt": MqttTrigger,
    "http": HttpTrigger,
    "command": Command,
}
