"""Where pictures stand that something is said of."""

from __future__ import annotations

from collections.abc import Iterable

from edge_agent.building.datasets.checks.report import Seen
from edge_agent.building.datasets.dataset import Example
from edge_agent.building.datasets.reasons import Place


def place_of(example: Example) -> Place:
    """Say where a picture stands."""
    return Place(example.source, example.number, example.path)


def places_of(seen: Iterable[Seen]) -> tuple[Place, ...]:
    """Say where each of these pictures stands."""
    return tuple(place_of(item.example) for item in seen)
