"""The tables of line.toml. docs/line.md explains each key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge_agent.inference.decision import Rule
from edge_agent.settings import DEFAULT_SOCKET, check_address

_Seconds = Annotated[float, Meta(gt=0, le=3600)]
_Milliseconds = Annotated[float, Meta(ge=0, le=600_000)]
_Side = Annotated[int, Meta(ge=1, le=65_536)]
_Place = Annotated[int, Meta(ge=0, le=65_536)]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class Folder(_Table, frozen=True, kw_only=True):
    """A folder into which somebody puts pictures."""

    kind: Literal["folder"]
    path: Annotated[str, Meta(pattern="^/")]
    pattern: str = "*"
    #: what becomes of a file whose part has been decided
    after: Literal["move", "delete", "keep"] = "move"
    #: where it is moved, into a folder for each outcome; empty: `done` in the folder itself
    to: Annotated[str, Meta(pattern="^(/.*)?$")] = ""
    #: a file that nobody was seen to close is whole when it has not changed for so long
    settle_seconds: _Seconds = 1.0


class Video(_Table, frozen=True, kw_only=True):
    """A camera (`/dev/video0`), a stream (`rtsp://…`, `http://…`) or a video file, read by OpenCV."""

    kind: Literal["video"]
    address: Annotated[str, Meta(min_length=1)]
    #: 0: every frame is a part
    interval_ms: _Milliseconds = 0
    #: parts that may wait for the model; what comes while so many wait is too early
    queue: Annotated[int, Meta(ge=1, le=1000)] = 1
    #: a camera that has given nothing for so long has failed
    silent_seconds: _Seconds = 5.0
    #: so many equal frames in a row are a camera that is frozen; 0: they are not looked at
    frozen_frames: Annotated[int, Meta(ge=0, le=10_000)] = 10


class Rotate(_Table, frozen=True, kw_only=True):
    """Turn the picture, clockwise."""

    do: Literal["rotate"]
    degrees: Literal[90, 180, 270]


class Flip(_Table, frozen=True, kw_only=True):
    """Mirror the picture."""

    do: Literal["flip"]
    axis: Literal["left-right", "up-down"]


class Crop(_Table, frozen=True, kw_only=True):
    """Keep a region; `x` and `y` are its left upper corner."""

    do: Literal["crop"]
    x: _Place
    y: _Place
    width: _Side
    height: _Side


class Mask(_Table, frozen=True, kw_only=True):
    """Paint a region black, so that nothing is found there. The training pictures have to be masked likewise."""

    do: Literal["mask"]
    x: _Place
    y: _Place
    width: _Side
    height: _Side


class Resize(_Table, frozen=True, kw_only=True):
    """Bring the picture to the size that the model was trained on."""

    do: Literal["resize"]
    width: _Side
    height: _Side


Step = Rotate | Flip | Crop | Mask | Resize


class Model(_Table, frozen=True, kw_only=True):
    """The model that inspects."""

    name: Annotated[str, Meta(min_length=1)]
    #: start it when it does not run
    start: bool = True


class Pin(_Table, frozen=True, kw_only=True):
    """A line of a GPIO chip, or a file that 1 or 0 is written to (an output's `value` in sysfs)."""

    #: the outcome that sets it; `able`: it is 1 as long as the line can inspect
    on: Literal["pass", "reject", "look", "failed", "early", "able"]
    #: a chip such as /dev/gpiochip0, and the number or the name of its line
    chip: Annotated[str, Meta(pattern="^(/.*)?$")] = ""
    line: Annotated[int, Meta(ge=0)] | Annotated[str, Meta(min_length=1)] = 0
    active_low: bool = False
    path: Annotated[str, Meta(pattern="^(/.*)?$")] = ""
    #: how long it stays set; 0: until the next part
    pulse_ms: _Milliseconds = 0
    delay_ms: _Milliseconds = 0
    #: what is written while the line can't inspect
    safe: Literal[0, 1] = 0

    def __post_init__(self) -> None:
        if bool(self.chip) == bool(self.path):
            raise ValueError("expected either chip and line, or path")


class Line(_Table, frozen=True, kw_only=True):
    """The whole file."""

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,64}$")]
    source: Folder | Video
    model: Model
    socket: str = DEFAULT_SOCKET
    device_name: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{0,64}$")] = ""
    #: a part has to be decided within this time; the safe state is output when it is not
    cycle_ms: Annotated[float, Meta(ge=10, le=600_000)] = 1000
    #: a picture whose brightest value is below this is no picture
    black: Annotated[int, Meta(ge=0, le=255)] = 8
    step: tuple[Step, ...] = ()
    rule: tuple[Rule, ...] = ()
    pin: tuple[Pin, ...] = ()
    event: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        check_address(self.socket)

    @property
    def cycle(self) -> float:
        """`cycle_ms` in seconds."""
        return self.cycle_ms / 1000


#: tables that are told apart by a key, and what that may say
CHOICES: dict[str, tuple[str, dict[str, type[msgspec.Struct]]]] = {
    "source": ("kind", {"folder": Folder, "video": Video}),
    "step": ("do", {"rotate": Rotate, "flip": Flip, "crop": Crop, "mask": Mask, "resize": Resize}),
}
