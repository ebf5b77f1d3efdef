"""The daemon's metrics, at the address of its settings."""

from __future__ import annotations

from pathlib import Path

from edge_agent.serving.observing.counts import Counts
from edge_agent.serving.observing.exposition import Exposition, write
from edge_agent.serving.observing.families import Families
from edge_agent.serving.observing.readings import ReadFront
from edge_agent.serving.rpc.metrics_door import MetricsDoor
from edge_agent.settings import Settings


class MetricsServer(MetricsDoor):
    """Serves metrics until it is closed."""

    def __init__(self, settings: Settings, counts: Counts, read_front: ReadFront) -> None:
        """Listen at the address of the settings; raises what MetricsDoor does."""
        self._families = Families(counts, read_front, Path(settings.state_dir))
        super().__init__(settings.metrics, self._write, int(settings.socket_mode, 8), settings.socket_group)

    async def _write(self, accept: str) -> Exposition:
        return await write(self._families.gather(), accept, self._families.pace())
