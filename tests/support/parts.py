"""Small pictures of a made-up part, with and without defects, as files in the layouts that users have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

U8 = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 128, 96
COLORS = {"scratch": "#2ca02c", "dent": "#1f77b4"}


def draw_part(seed: int, defects: tuple[str, ...] = (), shift: int = 2) -> tuple[U8, Image.Image]:
    """Draw a part and its mask: a plate on a belt, with a bright line or a dark disc on it.

    It lies up to `shift` pixels elsewhere. With 3 a training learns such parts twice, as they lie and laid alike.
    """
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (WIDTH, HEIGHT), (60, 64, 70))
    mask = Image.new("RGB", (WIDTH, HEIGHT), "#ffffff")
    dx, dy = rng.integers(-shift, shift + 1, 2)
    draw, paint = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    draw.rectangle((20 + dx, 16 + dy, 108 + dx, 80 + dy), fill=(150, 152, 158), outline=(100, 102, 108))
    for defect in defects:
        x, y = int(rng.integers(40, 88)), int(rng.integers(34, 62))
        if defect == "scratch":
            line = (x - 14, y + int(rng.integers(-8, 9)), x + 14, y)
            draw.line(line, fill=(240, 240, 240), width=4)
            paint.line(line, fill=COLORS[defect], width=4)
        else:
            disc = (x - 8, y - 8, x + 8, y + 8)
            draw.ellipse(disc, fill=(70, 66, 60))
            paint.ellipse(disc, fill=COLORS[defect])
    noisy = np.asarray(image, np.float32) * rng.normal(1, 0.02) + rng.normal(0, 3, (HEIGHT, WIDTH, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8), mask


def write_folders(
    root: Path, *, normal: int, anomaly: int, masks: bool = False, first: int = 0, shift: int = 2
) -> Path:
    """Write `normal` and `anomaly` folders, and masks of two labels if wanted; `first` makes other pictures of it."""
    for folder in ("normal", "anomaly", *(["masks"] if masks else [])):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(normal):
        Image.fromarray(draw_part(first + number, shift=shift)[0]).save(root / "normal" / f"good-{number}.png")
    for number in range(anomaly):
        picture, mask = draw_part(first + 10_000 + number, ("scratch", "dent")[number % 2 : number % 2 + 1], shift)
        Image.fromarray(picture).save(root / "anomaly" / f"bad-{number}.png")
        if masks:
            mask.save(root / "masks" / f"bad-{number}.png")
    if masks:
        (root / "masks" / "labels.json").write_text(json.dumps(COLORS))
    return root
