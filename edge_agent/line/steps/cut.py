"""A region of a picture."""

from __future__ import annotations

from typing import Protocol

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.resize import U8


class Rectangle(Protocol):
    """A place in a picture."""

    @property
    def x(self) -> int:
        """Of the left upper corner."""

    @property
    def y(self) -> int:
        """Of the left upper corner."""

    @property
    def width(self) -> int:
        """In pixels."""

    @property
    def height(self) -> int:
        """In pixels."""


def places(region: Rectangle, picture: U8, what: str) -> tuple[slice, slice]:
    """Give the rows and columns of a region; InvalidRequest, which says `what`, when it lies outside the picture."""
    height, width, _ = picture.shape
    if region.x + region.width > width or region.y + region.height > height:
        raise InvalidRequest(
            f"{what}: {region.width}x{region.height} at {region.x},{region.y} is not within the picture, "
            f"{width}x{height}"
        )
    return slice(region.y, region.y + region.height), slice(region.x, region.x + region.width)


def cut(picture: U8, region: Rectangle, what: str) -> U8:
    """Give a region of a picture, which shares its pixels."""
    return picture[places(region, picture, what)]
