"""Whether an output's sides are those of a map of the picture."""

from __future__ import annotations

from edge_agent.building.importing.draft import Size

#: how far a map's proportions may be from the picture's: convolutions without padding lose some of the edge
_OTHER_PROPORTIONS = 0.35
_LARGER_THAN_INPUT = 2


def is_map(width: int, height: int, size: Size) -> bool:
    """Tell whether a map of this width and height may be one of a picture of `size`."""
    if not width or not height:
        return False
    proportions = (width / height) / (size[0] / size[1])
    is_alike = 1 / (1 + _OTHER_PROPORTIONS) <= proportions <= 1 + _OTHER_PROPORTIONS
    return is_alike and width <= size[0] * _LARGER_THAN_INPUT and height <= size[1] * _LARGER_THAN_INPUT
