"""What each model sees of a picture: all of it, a region, or tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.resize import U8
from edge_agent.line.steps.cut import cut
from edge_agent.line.steps.size import resized
from edge_agent.line.tables.models import Model, Region, Tiles


class View(NamedTuple):
    """A model's look at a picture."""

    #: its place among the line's models
    model: int
    region: Region
    #: what it gets, contiguous
    pixels: U8


def views(models: Sequence[Model], picture: U8) -> list[View]:
    """Give every look at a picture, the first model's first.

    Raises:
        InvalidRequest: a region lies outside the picture, or a tile is larger than what it is a tile of.
    """
    found = []
    for number, model in enumerate(models):
        height, width, _ = picture.shape
        whole = model.region or Region(x=0, y=0, width=width, height=height)
        cut(picture, whole, f"model '{model.name}', region")
        for region in _tiles(whole, model.tiles, model.name) if model.tiles is not None else [whole]:
            pixels = cut(picture, region, "tile")
            if model.resize is not None:
                pixels = resized(pixels, model.resize.width, model.resize.height)
            found.append(View(number, region, np.ascontiguousarray(pixels)))
    return found


def _tiles(whole: Region, tiles: Tiles, name: str) -> Iterator[Region]:
    if tiles.width > whole.width or tiles.height > whole.height:
        raise InvalidRequest(
            f"model '{name}': a tile is {tiles.width}x{tiles.height}, expected {whole.width}x{whole.height} at most"
        )
    for y in _starts(whole.height, tiles.height, tiles.overlap):
        for x in _starts(whole.width, tiles.width, tiles.overlap):
            yield Region(x=whole.x + x, y=whole.y + y, width=tiles.width, height=tiles.height)


def _starts(length: int, tile: int, overlap: int) -> Iterator[int]:
    """Give where tiles begin that cover a length; the last lies at its end, and shares more if need be."""
    at = 0
    while at + tile < length:
        yield at
        at += tile - overlap
    yield length - tile
