"""The models of a line, and which part of the picture each of them sees."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edge_agent.line.tables.basics import Place, Side, Table


class Region(Table, frozen=True, kw_only=True):
    """A part of the picture; `x` and `y` are its left upper corner."""

    x: Place
    y: Place
    width: Side
    height: Side


class Size(Table, frozen=True, kw_only=True):
    """The size of a picture."""

    width: Side
    height: Side


class Tiles(Table, frozen=True, kw_only=True):
    """Pieces of a picture that are inspected one by one; the last of a row or column lies at its end."""

    width: Side
    height: Side
    #: pixels that neighbours share, so that a defect on a border is seen whole by one of them
    overlap: Place = 0

    def __post_init__(self) -> None:
        if self.overlap >= min(self.width, self.height):
            raise ValueError(f"overlap is {self.overlap}, expected less than a tile's {self.width}x{self.height}")


class Model(Table, frozen=True, kw_only=True):
    """A model that inspects."""

    name: Annotated[str, Meta(min_length=1)]
    #: start it when it does not run
    start: bool = True
    #: what it sees of the picture that the steps have made; none: all of it
    region: Region | None = None
    #: tiles of that; the part is anomalous when one of them is
    tiles: Tiles | None = None
    #: the size to which the region, or each tile, is brought
    resize: Size | None = None
