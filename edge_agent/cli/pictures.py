"""Pictures in files: reading them, and drawing what a model saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

from edge_agent.client import U8, Detection
from edge_agent.errors import InvalidRequest

_MASK_OPACITY = 0.55
_GREEN, _RED = (22, 120, 56), (190, 30, 30)


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
    except OSError as error:
        raise InvalidRequest(f"{path} can't be read: {error.strerror or error}") from None


def overlay(picture: U8, detection: Detection) -> Image.Image:
    """Draw the mask over a picture, and the verdict in a bar above it so that it hides nothing."""
    height, width, _ = picture.shape
    marked = picture
    if detection.mask is not None:
        anomalous = (detection.mask != 255).any(axis=2, keepdims=True)
        mixed = picture * (1 - _MASK_OPACITY) + detection.mask * _MASK_OPACITY
        marked = np.where(anomalous, mixed, picture).astype(np.uint8)
    font_size = max(11, round(width / 24))
    bar = round(font_size * 1.8)
    image = Image.new("RGB", (width, height + bar), _RED if detection.is_anomalous else _GREEN)
    image.paste(Image.fromarray(marked), (0, bar))
    text = f"{'anomalous' if detection.is_anomalous else 'normal'} {detection.confidence:.1%}"
    text += "".join(f"   {area.label} {area.fraction:.2%}" for area in detection.areas[1:])
    draw = ImageDraw.Draw(image)
    draw.text((font_size // 2, bar // 2), text, fill="white", font=ImageFont.load_default(font_size), anchor="lm")
    return image
