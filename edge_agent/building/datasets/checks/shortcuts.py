"""Shortcuts that lie in the files and not in the parts: what tells the classes apart without looking at a pixel.

A model takes whatever separates its pictures. When all normal ones come from one camera, or are JPEG, and all
anomalous ones are not, it learns that, its figures are perfect, and on the line it is blind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edge_agent.building.datasets.checks.places import places_of
from edge_agent.building.datasets.checks.report import Seen, Traits
from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.reasons import Reason

#: of each class: fewer say nothing
_LEAST = 3
#: the largest file of one class has to be so much smaller than the smallest of the other
_SIZE_FACTOR = 1.25

_TRAITS: tuple[tuple[str, Callable[[Traits], Any]], ...] = (
    ("the format", lambda traits: traits.file.format),
    ("the kind of pixels", lambda traits: f"{traits.file.mode} of {traits.file.depth} bits"),
    ("the camera", lambda traits: traits.file.camera or "none named"),
    ("the JPEG quality", lambda traits: traits.file.encoding),
    ("the EXIF orientation", lambda traits: traits.file.orientation),
)


def shortcuts(seen: Sequence[Seen]) -> list[Reason]:
    """Say by which property of their files alone the classes can be told apart; one note with all of them."""
    normal, bad = (
        [item for item in seen if item.example.label == label and item.traits] for label in (NORMAL, ANOMALY)
    )
    if min(len(normal), len(bad)) < _LEAST:
        return []
    found = []
    for name, trait in _TRAITS:
        one, other = ({trait(item.traits) for item in side if item.traits} for side in (normal, bad))
        if not one & other and max(len(one), len(other)) <= _LEAST:
            found.append(f"{name} ({_listed(one)} of normal, {_listed(other)} of anomalous pictures)")
    sizes = [[item.traits.file.size for item in side if item.traits] for side in (normal, bad)]
    low, high = sorted(sizes, key=min)
    if not found and max(low) * _SIZE_FACTOR < min(high):
        shown = [f"{min(side)} to {max(side)} bytes" for side in sizes]
        found.append(f"the size of the file ({shown[0]} of normal, {shown[1]} of anomalous pictures)")
    if not found:
        return []
    return [Reason("shortcut", value="; ".join(found), places=places_of((*normal, *bad)))]


def transparent(seen: Sequence[Seen]) -> list[Reason]:
    """Say how many pictures have transparent pixels."""
    found = [item for item in seen if item.traits and item.traits.is_transparent]
    if not found:
        return []
    return [Reason("transparent", places=places_of(found), times=len(found), facts={"path": found[0].example.path})]


def _listed(values: set[Any]) -> str:
    return ", ".join(sorted(str(value) or "none" for value in values))
