"""How the raw pixels of a camera lie: formats by their names, and what goes together. Data; raw_pixels.py reads them.

Names are those of GenICam's Pixel Format Naming Convention 2.4. To read a line's file takes neither numpy nor OpenCV.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kept = Literal["8", "16", "p", "Packed"]


class Layout(NamedTuple):
    """How a format's values lie."""

    bits: int
    kept: Kept
    channels: int = 1
    #: as bayer.py calls it
    pattern: str = ""
    is_bgr: bool = False

    @property
    def group(self) -> tuple[int, int]:
        """So many values lie in so many bytes."""
        if self.kept == "p":
            return (4, 5) if self.bits == 10 else (2, 3)
        if self.kept == "Packed":
            return 2, 3
        return 1, int(self.kept) // 8


def _layouts() -> dict[str, Layout]:
    found = {}
    for name, pattern in (("Mono", ""), *((f"Bayer{p[0]}{p[1]}", p) for p in ("RGGB", "BGGR", "GRBG", "GBRG"))):
        found[f"{name}8"] = Layout(8, "8", 1, pattern)
        for bits in (10, 12, 14, 16):
            found[f"{name}{bits}"] = Layout(bits, "16", 1, pattern)
        for bits in (10, 12):
            found[f"{name}{bits}p"] = Layout(bits, "p", 1, pattern)
        found[f"{name}12Packed"] = Layout(12, "Packed", 1, pattern)
    found["RGB8"] = Layout(8, "8", 3)
    found["BGR8"] = Layout(8, "8", 3, is_bgr=True)
    return found


LAYOUTS = _layouts()
FORMATS = tuple(LAYOUTS)


class RawFormat(NamedTuple):
    """A format, and the size of its pictures."""

    name: str
    width: int
    height: int
    #: bytes from one row to the next; 0: rows follow each other without padding
    stride: int = 0
    #: bits that are used of values that lie in 16; 0: as the name says
    bits: int = 0

    @property
    def row_bytes(self) -> int:
        """Bytes of a row's pixels."""
        layout = LAYOUTS[self.name]
        values, size = layout.group
        return self.width * layout.channels // values * size

    @property
    def size(self) -> int:
        """Bytes from the first pixel to the last."""
        return (self.stride or self.row_bytes) * (self.height - 1) + self.row_bytes


def check_format(raw: RawFormat) -> None:
    """See whether the parts of a format go together.

    Raises:
        ValueError: they don't, or there is no such format.
    """
    layout = LAYOUTS.get(raw.name)
    if layout is None:
        raise ValueError(f"format is '{raw.name}', expected one of {', '.join(FORMATS)}")
    values = layout.group[0]
    if raw.width % values:
        raise ValueError(f"width is {raw.width}, expected a multiple of {values}: {raw.name} packs so many together")
    if raw.stride and raw.stride < raw.row_bytes:
        raise ValueError(f"stride is {raw.stride}, expected at least {raw.row_bytes}, the bytes of a row")
    if raw.bits and layout.kept != "16":
        raise ValueError(f"bits is {raw.bits}, expected none: {raw.name} says how many are used")
    if layout.pattern and (raw.width < 2 or raw.height < 2):
        raise ValueError(f"size is {raw.width}x{raw.height}, expected at least 2x2 for {raw.name}")
