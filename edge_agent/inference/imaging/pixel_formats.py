"""What pixels probably are whose number of bytes is not that of packed RGB888, and what makes them that.

Cameras and libraries give RGBA, grey, YUY2, 16 bits and rows that begin at round addresses; in the contract there is
one format. The number of bytes nearly always tells which of the others it is.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class _Format(NamedTuple):
    name: str
    remedy: str


_REMEDY_16 = "bring it to 8 bits, always by the same factor and as the training pictures were"
#: by bytes a pixel
_FORMATS = {
    Fraction(4): _Format(
        "RGBA, BGRA, RGBX or BGRX",
        "leave the fourth byte out (cv2.COLOR_RGBA2RGB, or COLOR_BGRA2RGB where blue is first); if they are grey as "
        "float32: bring it to 0..255, convert it to uint8 and give every pixel three times",
    ),
    Fraction(1): _Format(
        "grey, or a Bayer mosaic",
        "give every pixel three times (cv2.COLOR_GRAY2RGB), or make colours of the mosaic (cv2.COLOR_BayerRG2RGB, …)",
    ),
    Fraction(2): _Format(
        "YUY2 or UYVY, or 16-bit grey",
        f"convert the one (cv2.COLOR_YUV2RGB_YUY2, COLOR_YUV2RGB_UYVY), of the other {_REMEDY_16} "
        "and give every pixel three times",
    ),
    Fraction(3, 2): _Format("NV12 or I420", "convert it (cv2.COLOR_YUV2RGB_NV12, COLOR_YUV2RGB_I420)"),
    Fraction(6): _Format("RGB of 16 bits a channel", _REMEDY_16),
    Fraction(8): _Format("RGBA of 16 bits a channel", f"leave the fourth one out, and {_REMEDY_16}"),
    Fraction(12): _Format("RGB as float32", "bring it to 0..255 and convert it to uint8"),
    Fraction(16): _Format("RGBA as float32", "leave the fourth one out, bring it to 0..255 and convert it to uint8"),
    Fraction(24): _Format("RGB as float64", "bring it to 0..255 and convert it to uint8"),
}
_PADDED = (Fraction(3), Fraction(4), Fraction(1), Fraction(2))  # of which rows are padded, by bytes a pixel
_ALIGNMENTS = (4, 8, 16, 32, 64, 128, 256)
_PACK = "copy the rows without what follows each of them"


#: how files begin that are sent as if they were pixels
_FILES = {b"\xff\xd8\xff": "JPEG", b"\x89PN": "PNG", b"BM": "BMP", b"II*": "TIFF", b"MM\0": "TIFF"}


def recognise(count: int, width: int, height: int, head: bytes = b"") -> str:
    """Say what `count` bytes for a picture of that size probably are, and what to do; "" where nothing fits.

    `head` are the first of them, where they are known.
    """
    for beginning, kind in _FILES.items():
        if head.startswith(beginning):
            return f"they are a {kind} file: decode it, and send its pixels"
    if width <= 0 or height <= 0 or count <= 0:
        return ""
    each = Fraction(count, width * height)
    if each in _FORMATS:
        found = _FORMATS[each]
        number = f"{float(each):g} byte{'s' * (each != 1)}"
        return f"{number} a pixel are {found.name}: {found.remedy}"
    for each in _PADDED:
        row = int(each * width)
        for alignment in _ALIGNMENTS:
            step = -(-row // alignment) * alignment
            if step != row and count in (step * height, step * (height - 1) + row):
                return _describe_padding(step, row, alignment, each)
    return ""


def _describe_padding(step: int, row: int, alignment: int, each: Fraction) -> str:
    text = f"rows of {row} bytes that begin every {step} bytes, a multiple of {alignment}: {_PACK}"
    if each == 3:
        return text
    found = _FORMATS[each]
    return f"{text}; its pixels are {found.name}: {found.remedy}"
