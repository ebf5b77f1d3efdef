"""What every model is told."""

from __future__ import annotations

from typing import NamedTuple

from edge_agent.serving.workers.pool import PoolOptions


class ModelOptions(NamedTuple):
    """What the settings say about every model."""

    pool: PoolOptions
    drain_seconds: float
    first_restart: float
    longest_restart: float
    memory_reserve: int
