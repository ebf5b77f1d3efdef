"""Drawing what a model saw."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from edge_agent.client.detection import U8, Detection
from edge_agent.inference.imaging.overlay import draw

_GREEN, _RED = (22, 120, 56), (190, 30, 30)


def overlay(picture: U8, detection: Detection) -> Image.Image:
    """Mark in a picture what was found, and write the verdict in a bar above it so that it hides nothing."""
    height, width, _ = picture.shape
    font_size = max(11, round(width / 24))
    bar = round(font_size * 1.8)
    image = Image.new("RGB", (width, height + bar), _RED if detection.is_anomalous else _GREEN)
    image.paste(Image.fromarray(draw(picture, detection)), (0, bar))
    text = f"{'anomalous' if detection.is_anomalous else 'normal'} {detection.confidence:.1%}"
    text += "".join(f"   {area.label} {area.fraction:.2%}" for area in detection.areas[1:])
    text += "   nothing marked" if detection.is_unmarked else ""
    ImageDraw.Draw(image).text(
        (font_size // 2, bar // 2), text, fill="white", font=ImageFont.load_default(font_size), anchor="lm"
    )
    return image
