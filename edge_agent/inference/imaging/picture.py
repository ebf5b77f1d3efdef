"""Pictures in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bayer import PATTERNS, demosaic
from edge_agent.inference.imaging.deep_pixels import U16, USED_BITS, read_deep, to_grey_levels
from edge_agent.inference.imaging.jpeg import decode_jpeg
from edge_agent.inference.imaging.picture_file import PictureFile, check_sides, examine, unreadable
from edge_agent.inference.imaging.resize import U8


class PixelFormat(NamedTuple):
    """How the values of a set's files are meant, the same for each of them."""

    #: how many of the 16 bits of a deep file are used
    bits: int = 16
    #: the pattern of a colour mosaic, such as RGGB; "" for pictures that are none
    bayer: str = ""


AS_STORED = PixelFormat()


def pixel_format_of(training: Mapping[str, Any]) -> PixelFormat:
    """Give the format of the pictures that a model was trained on, as its manifest's `training` says."""
    said = training.get("pixel_format")
    if not isinstance(said, dict):
        return AS_STORED
    bits, bayer = said.get("bits"), said.get("bayer")
    return PixelFormat(bits if bits in USED_BITS else AS_STORED.bits, bayer if bayer in PATTERNS else AS_STORED.bayer)


def read_picture(path: Path, pixel_format: PixelFormat = AS_STORED) -> U8:
    """Read a picture as uint8 [height, width, 3] in RGB, turned as its EXIF orientation says.

    PNG, JPEG, BMP, WebP and TIFF of one page. Values of 16 bits are scaled as `pixel_format` says.

    Raises:
        InvalidRequest: it does not exist, is none of these, is damaged, or is larger than any model takes.
    """
    file = examine(path)
    check_sides(file)
    return read_examined(file, pixel_format)


def read_examined(file: PictureFile, pixel_format: PixelFormat = AS_STORED) -> U8:
    """Read a picture whose head was read already; InvalidRequest when it is damaged or no mosaic, as `read_picture`."""
    return read_with_peak(file, pixel_format)[0]


def read_with_peak(file: PictureFile, pixel_format: PixelFormat) -> tuple[U8, int]:
    """Read a picture as `read_examined`, and give the highest value of a file of 16 bits, 0 for others."""
    try:
        if pixel_format.bayer and not file.is_grey:
            raise InvalidRequest(
                f"{file.path} has colours already, expected a grey mosaic for --bayer {pixel_format.bayer}"
            )
        peak = 0
        pixels: npt.NDArray[Any] | None
        if file.depth == 16:
            deep = read_deep(file.path)
            peak, pixels = int(deep.max()), _scaled(deep, pixel_format)
        else:
            pixels = _whole_jpeg(file, pixel_format)
        if pixels is None:
            return _upright(file, "L" if pixel_format.bayer else "RGB", pixel_format.bayer), peak
        return np.ascontiguousarray(turned(pixels, file.orientation)), peak
    except (OSError, SyntaxError, ValueError) as error:
        raise unreadable(file.path, error) from None


def turned(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Turn pixels, [height, width, …], as an EXIF orientation says (TIFF 6.0, tag 274)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _scaled(deep: U16, pixel_format: PixelFormat) -> npt.NDArray[Any]:
    """Make RGB of values of 16 bits, not turned."""
    if pixel_format.bayer:
        return to_grey_levels(demosaic(deep, pixel_format.bayer), pixel_format.bits)
    levels = to_grey_levels(deep, pixel_format.bits)
    return np.repeat(levels[..., None], 3, axis=2) if levels.ndim == 2 else levels


def _whole_jpeg(file: PictureFile, pixel_format: PixelFormat) -> npt.NDArray[Any] | None:
    """Decode a JPEG, not turned; None for what is Pillow's to decode, after a JPEG was seen to be whole."""
    if file.format != "JPEG":
        return None
    pixels = decode_jpeg(file.path.read_bytes(), str(file.path))
    return pixels if file.mode in ("RGB", "L") and not pixel_format.bayer else None


def _upright(file: PictureFile, mode: str, bayer: str) -> U8:
    """Decode and turn with Pillow, which turns a TIFF while it reads it."""
    with Image.open(file.path, formats=(file.format,)) as image:
        image.load()
        if file.orientation == 1 and image.mode == mode and not bayer:
            return np.array(image)  # what follows would copy it twice
        if bayer:  # a mosaic has its colours as it is stored
            return np.ascontiguousarray(turned(demosaic(np.asarray(image.convert(mode)), bayer), file.orientation))
        return np.ascontiguousarray(np.asarray(ImageOps.exif_transpose(image).convert(mode)))


def has_transparent_pixels(file: PictureFile) -> bool:
    """Tell whether a picture has pixels that are not opaque; their colours are used all the same."""
    with Image.open(file.path, formats=(file.format,)) as image:
        return int(np.asarray(image.convert("RGBA"))[..., 3].min()) < 255
