"""What is done to a picture before the model sees it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge_agent.line.tables.basics import AbsolutePath, Place, Table
from edge_agent.line.tables.models import Region, Size


class Rotate(Table, frozen=True, kw_only=True):
    """Turn the picture, clockwise."""

    do: Literal["rotate"]
    degrees: Literal[90, 180, 270]


class Flip(Table, frozen=True, kw_only=True):
    """Mirror the picture."""

    do: Literal["flip"]
    axis: Literal["left-right", "up-down"]


class Crop(Region, frozen=True, kw_only=True):
    """Keep a region."""

    do: Literal["crop"]


class Mask(Region, frozen=True, kw_only=True):
    """Paint a region black, so that nothing is found there. The training pictures have to be masked likewise."""

    do: Literal["mask"]


class Resize(Size, frozen=True, kw_only=True):
    """Bring the picture to the size that the model was trained on."""

    do: Literal["resize"]


class Find(Table, frozen=True, kw_only=True):
    """Keep a region that lies where a template is found; `x` and `y` count from the template's left upper corner."""

    do: Literal["find"]
    template: AbsolutePath
    x: int = 0
    y: int = 0
    #: 0: the template's own
    width: Place = 0
    height: Place = 0
    #: of 1: how like the template the place has to be; the part fails where none is
    likeness: Annotated[float, Meta(gt=0, le=1)] = 0.8
    #: where it is searched; none: everywhere
    within: Region | None = None


Step = Rotate | Flip | Crop | Mask | Resize | Find
STEPS: dict[str, type[Table]] = {
    "rotate": Rotate,
    "flip": Flip,
    "crop": Crop,
    "mask": Mask,
    "resize": Resize,
    "find": Find,
}
