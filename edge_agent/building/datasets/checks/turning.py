"""Pictures that are turned by their EXIF orientation, and masks that are turned otherwise.

One rule holds for both, and for clients: a picture is what is seen when it is opened, turned as its file says, and a
mask is too. Where only one of the two has the tag, nobody knows which of the two the person who drew it saw.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_agent.building.datasets.checks.places import places_of
from edge_agent.building.datasets.checks.report import Seen
from edge_agent.building.datasets.reasons import Reason


def turned(seen: Sequence[Seen]) -> list[Reason]:
    """Say how many pictures are turned, and of how many the mask is turned otherwise."""
    reasons = []
    pictures = [item for item in seen if item.traits and item.traits.file.is_turned]
    if pictures:
        facts = {"path": pictures[0].example.path}
        reasons.append(Reason("pictures-turned", places=places_of(pictures), times=len(pictures), facts=facts))
    apart = [
        item
        for item in seen
        if item.traits and item.areas and item.traits.mask_orientation != item.traits.file.orientation
    ]
    if apart:
        first = apart[0]
        assert first.traits is not None
        assert first.example.mask is not None
        tags = {"picture_tag": first.traits.file.orientation, "mask_tag": first.traits.mask_orientation}
        facts = {"path": first.example.path, "mask": first.example.mask.path}
        reasons.append(Reason("masks-turned-otherwise", places=places_of(apart), times=len(apart), facts=facts | tags))
    return reasons


def before_turning(seen: Seen) -> str:
    """Say which size a picture has as it is stored, where that is another than the one that is seen."""
    if seen.traits is None or not seen.traits.file.is_turned:
        return ""
    file = seen.traits.file
    return f" ({file.stored_width}x{file.stored_height} before turning by its EXIF orientation {file.orientation})"
