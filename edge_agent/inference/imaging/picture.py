"""Pictures in files, and masks drawn over them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.resize import U8

_MASK_OPACITY = 0.55


def read_picture(path: Path) -> U8:
    """Read a PNG or JPEG as uint8 [height, width, 3] in RGB, turned as its EXIF orientation says.

    Raises:
        InvalidRequest: it does not exist, or is not a PNG or JPEG.
    """
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16-bit grey, which Pillow's conversion would clip instead of scale
                scaled = (np.asarray(upright).astype(np.uint32) + 128) // 257
                upright = Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))
            return np.asarray(upright.convert("RGB"))
    except UnidentifiedImageError:
        raise InvalidRequest(f"{path} is not a PNG or JPEG picture") from None
    except Image.DecompressionBombError:
        raise InvalidRequest(f"{path} is far larger than any picture that a model takes") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for a broken PNG chunk
        raise InvalidRequest(f"{path} can't be read: {getattr(error, 'strerror', None) or error}") from None


def lay_over(picture: U8, mask: U8) -> U8:
    """Colour a picture where the mask is not white; both [height, width, 3]."""
    marked = (mask != 255).any(axis=2, keepdims=True)
    mixed = picture * (1 - _MASK_OPACITY) + mask * _MASK_OPACITY
    return np.where(marked, mixed, picture).astype(np.uint8)
