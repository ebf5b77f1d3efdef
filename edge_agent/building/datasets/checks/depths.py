"""Pixels that were scaled otherwise than the model will get them: 16 bits that use fewer, sets that mix."""

from __future__ import annotations

from collections.abc import Sequence

from edge_agent.building.datasets.checks.places import places_of
from edge_agent.building.datasets.checks.report import Seen
from edge_agent.building.datasets.reasons import Reason
from edge_agent.inference.imaging.deep_pixels import used_bits


def depths(seen: Sequence[Seen]) -> list[Reason]:
    """Say whether pictures have different depths, and whether those of 16 bits use fewer."""
    deep = [item for item in seen if item.traits and item.traits.file.depth == 16]
    shallow = [item for item in seen if item.traits and item.traits.file.depth == 8]
    if not deep:
        return []
    reasons = []
    if shallow:
        facts = {"deep": len(deep), "shallow": len(shallow), "path": deep[0].example.path,
                 "other": shallow[0].example.path}  # fmt: skip
        reasons.append(Reason("depths-mixed", "problem", places=places_of(deep), times=len(deep), facts=facts))
    peak = max(item.traits.peak for item in deep if item.traits)
    bits = used_bits(peak)
    if deep[0].example.pixel_format.bits == 16 and bits < 16:
        facts = {"peak": peak, "below": 1 << bits, "bits": bits}
        reasons.append(Reason("depth-unused", places=places_of(deep), times=len(deep), facts=facts))
    return reasons


def mosaics(seen: Sequence[Seen]) -> list[Reason]:
    """Say how many pictures look like mosaics of a camera's colour filter."""
    found = [item for item in seen if item.traits and item.traits.looks_like_mosaic]
    if 2 * len(found) <= len(seen):
        return []
    return [Reason("mosaic", places=places_of(found), times=len(found), facts={"path": found[0].example.path})]
