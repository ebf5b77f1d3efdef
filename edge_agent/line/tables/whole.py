"""The whole file, line.toml."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge_agent.inference.decision import Rule
from edge_agent.line.tables.basics import Table
from edge_agent.line.tables.models import Model
from edge_agent.line.tables.outputs import Encoder, Pin
from edge_agent.line.tables.sources import SOURCES, Source
from edge_agent.line.tables.steps import STEPS, Step
from edge_agent.line.tables.triggers import TRIGGERS, AnyTrigger
from edge_agent.settings import DEFAULT_SOCKET, check_address, check_metrics_address

LINE_NAME = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class Line(Table, frozen=True, kw_only=True):
    """The whole file."""

    #: also of a folder
    name: Annotated[str, Meta(pattern=LINE_NAME)]
    source: Source
    model: tuple[Model, ...]
    #: of several models: when the part is anomalous
    join: Literal["any", "all"] = "any"
    trigger: AnyTrigger | None = None
    encoder: Encoder | None = None
    socket: str = DEFAULT_SOCKET
    device_name: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{0,64}$")] = ""
    #: a part has to be decided within this time; the safe state is output when it is not
    cycle_ms: Annotated[float, Meta(ge=10, le=600_000)] = 1000
    #: a picture whose brightest value is below this is no picture
    black: Annotated[int, Meta(ge=0, le=255)] = 8
    #: whether the last part's picture lies in the line's folder, for pages and people who may look into it
    show_picture: bool = False
    step: tuple[Step, ...] = ()
    rule: tuple[Rule, ...] = ()
    pin: tuple[Pin, ...] = ()
    event: tuple[dict[str, Any], ...] = ()

    #: HOST:PORT or unix:///PATH, where Prometheus asks for metrics; "": nowhere
    metrics: str = ""

    def __post_init__(self) -> None:
        check_address(self.socket)
        if self.metrics:
            check_metrics_address(self.metrics)

    @property
    def model_name(self) -> str:
        """The model's name, or all of them."""
        return "+".join(dict.fromkeys(model.name for model in self.model))

    @property
    def cycle(self) -> float:
        """`cycle_ms` in seconds."""
        return self.cycle_ms / 1000


#: tables that are told apart by a key, and what that may say
CHOICES: dict[str, tuple[str, dict[str, type[msgspec.Struct]]]] = {
    "source": ("kind", {**SOURCES}),
    "trigger": ("kind", {**TRIGGERS}),
    "step": ("do", {**STEPS}),
}
