"""Sources of pictures."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from edge_agent.inference.imaging.raw_format import FORMATS, RawFormat, check_format
from edge_agent.line.tables.basics import (
    AbsolutePath,
    Broker,
    Listens,
    MaybePath,
    Milliseconds,
    Seconds,
    Side,
    Table,
)

_Queue = Annotated[int, Meta(ge=1, le=1000)]
_Frozen = Annotated[int, Meta(ge=0, le=10_000)]
#: 0: nobody looks at how long nothing comes
_Silent = Annotated[float, Meta(ge=0, le=86_400)]
_Bits = Literal[10, 12, 14, 16]
_Bayer = Literal["", "RGGB", "BGGR", "GRBG", "GBRG"]


class Pixels(Table, frozen=True, kw_only=True):
    """Raw pixels, as a camera gives them."""

    format: str
    width: Side
    height: Side
    #: bytes from one row to the next; 0: rows follow each other
    stride: Annotated[int, Meta(ge=0)] = 0
    #: bits that are used of each value, for formats of 16; 0: as the format's name says
    bits: Literal[0, 8, 10, 12, 14, 16] = 0

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"format is '{self.format}', expected one of {', '.join(FORMATS)}")
        check_format(self.raw)

    @property
    def raw(self) -> RawFormat:
        """The same for whoever reads pixels."""
        return RawFormat(self.format, self.width, self.height, self.stride, self.bits)


class Pictures(Protocol):
    """What all sources of whole pictures say of them. (A struct of msgspec has one base.)"""

    @property
    def pixels(self) -> Pixels | None:
        """Of what format raw pixels are; None: each picture is a file of PNG, JPEG, BMP, TIFF or WebP."""

    @property
    def bits(self) -> int:
        """How many bits are used of each value in files of 16."""

    @property
    def bayer(self) -> str:
        """The colours of the first two pixels of the first two rows, for files that are a mosaic."""


class Folder(Table, frozen=True, kw_only=True):
    """A folder into which somebody puts pictures."""

    kind: Literal["folder"]
    path: AbsolutePath
    pattern: str = "*"
    #: what becomes of a file whose part has been decided
    after: Literal["move", "delete", "keep"] = "move"
    #: where it is moved, into a folder for each outcome; empty: `done` in the folder itself
    to: MaybePath = ""
    #: a file that nobody was seen to close is whole when it has not changed for so long
    settle_seconds: Seconds = 1.0
    pixels: Pixels | None = None
    bits: _Bits = 16
    bayer: _Bayer = ""
    silent_seconds: _Silent = 0
    frozen_frames: _Frozen = 10


class HttpSource(Listens, frozen=True, kw_only=True):
    """Pictures that somebody sends by HTTP POST, and whose decision is the answer."""

    kind: Literal["http"]
    #: pictures that may wait for the model; what comes while so many wait is too early
    queue: _Queue = 1
    most_mib: Annotated[int, Meta(ge=1, le=1024)] = 64
    pixels: Pixels | None = None
    bits: _Bits = 16
    bayer: _Bayer = ""
    silent_seconds: _Silent = 0
    frozen_frames: _Frozen = 10


class MqttSource(Broker, frozen=True, kw_only=True):
    """A picture in each message of a topic."""

    kind: Literal["mqtt"]
    queue: _Queue = 8
    pixels: Pixels | None = None
    bits: _Bits = 16
    bayer: _Bayer = ""
    silent_seconds: _Silent = 0
    frozen_frames: _Frozen = 10


class Frames(Table, frozen=True, kw_only=True):
    """Where frames come from one after the other, of which the trigger says which are parts."""

    #: parts that may wait for the model; what comes while so many wait is too early
    queue: _Queue = 1
    #: a camera that has given nothing for so long has failed; 0: that is not looked at
    silent_seconds: _Silent = 5.0
    #: so many equal frames in a row are a camera that is frozen; 0: they are not looked at
    frozen_frames: _Frozen = 10


class Video(Frames, frozen=True, kw_only=True):
    """A camera (`/dev/video0`), a stream (`rtsp://…`, `http://…`) or a video file, read by OpenCV."""

    kind: Literal["video"]
    address: Annotated[str, Meta(min_length=1)]
    #: 0: every frame is a part
    interval_ms: Milliseconds = 0


class Pipeline(Frames, frozen=True, kw_only=True):
    """A GStreamer pipeline that ends in appsink."""

    kind: Literal["gstreamer"]
    pipeline: Annotated[str, Meta(min_length=1)]

    def __post_init__(self) -> None:
        if not self.pipeline.rpartition("!")[2].split()[:1] == ["appsink"]:
            raise ValueError(f"pipeline is '{self.pipeline}', expected one that ends in '! appsink'")


class Segment(Frames, frozen=True, kw_only=True):
    """A segment of shared memory into which another program writes its pictures."""

    kind: Literal["segment"]
    #: as shm_open has it: /camera0
    name: Annotated[str, Meta(pattern="^/?[^/\0]{1,254}$")]
    pixels: Pixels
    #: where the pixels begin
    offset: Annotated[int, Meta(ge=0)] = 0
    #: where a number stands (little-endian) that the program changes when it has written a picture
    counter_at: Annotated[int, Meta(ge=0)] | None = None
    counter_bytes: Literal[4, 8] = 8
    #: the number is odd as long as a picture is being written
    odd_while_writing: bool = False
    poll_ms: Annotated[float, Meta(ge=0.5, le=1000)] = 2
    silent_seconds: _Silent = 0


class GenICam(Frames, frozen=True, kw_only=True):
    """A camera behind a GenTL producer, by harvesters."""

    kind: Literal["genicam"]
    #: the producer's file, NAME.cti
    producer: AbsolutePath
    #: which camera: "" is the first
    serial_number: str = ""
    #: nodes that are set before it begins, such as ExposureTime
    nodes: dict[str, bool | int | float | str] = msgspec.field(default_factory=dict)


Source = Folder | HttpSource | MqttSource | Video | Pipeline | Segment | GenICam
SOURCES: dict[str, type[Table]] = {
    "folder": Folder,
    "http": HttpSource,
    "mqtt": MqttSource,
    "video": Video,
    "gstreamer": Pipeline,
    "segment": Segment,
    "genicam": GenICam,
}
