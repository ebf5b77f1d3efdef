"""The table of operations: the interface as data."""

from __future__ import annotations

from edge_agent.studio.api.call import Operation
from edge_agent.studio.api.operations import (
    dashboard,
    device,
    jobs,
    lines,
    live,
    masks,
    models,
    pictures,
    projects,
    records,
)

OPERATIONS: tuple[Operation, ...] = (
    *projects.OPERATIONS,
    *pictures.OPERATIONS,
    *masks.OPERATIONS,
    *models.OPERATIONS,
    *jobs.OPERATIONS,
    *device.OPERATIONS,
    *dashboard.OPERATIONS,
    *records.OPERATIONS,
    *live.OPERATIONS,
    *lines.OPERATIONS,
)
