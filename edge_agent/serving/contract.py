"""What the agent is asked and answers, without a transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from edge_agent.inference.imaging.bitmap import Place
from edge_agent.serving.lifecycle.state import Status
from edge_agent.serving.workers.calls import Enclosed


class Description(NamedTuple):
    """What is said of a model."""

    name: str
    arn: str
    status: Status
    message: str
    version: str


@dataclass(frozen=True, slots=True)
class DetectRequest:
    """A picture to inspect: its pixels came with it, or lie at a place in shared memory, or (wrongly) neither."""

    model: str
    width: int
    height: int
    bitmap: Place | Enclosed | None
    mask: Place | None
