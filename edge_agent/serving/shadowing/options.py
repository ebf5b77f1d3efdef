"""What a shadow model's process is told when it is started."""

from __future__ import annotations

import msgspec

from edge_agent.component.trust import Trust
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.records.pictures.passing import Keeping


class ShadowOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which model judges whose pictures, and where those come in."""

    #: the first model
    model: str
    #: the shadow's component, as the catalogue has found it
    folder: str
    digest: str
    trust: Trust
    engine: EngineOptions
    #: of the sockets
    sockets: str
    #: None when no pictures are kept
    keeping: Keeping | None
    log_level: str
