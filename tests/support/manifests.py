"""Pictures of a part with masks, and lines of manifests as labelling jobs write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

CLASSIFICATION, SEGMENTATION = "groundtruth/image-classification", "groundtruth/semantic-segmentation"
CRACK = {"0": {"class-name": "crack", "hex-color": "#23A436"}}
SIDE = 96
#: of the square that is marked on every anomalous picture
AREA = 20 * 20


def write_pictures(root: Path, *, normal: int = 4, anomaly: int = 3, size: int = SIDE) -> list[str]:
    """Write normal/nI.png, anomaly/aI.png, and masks/nI.png and masks/aI.png; give the pictures' names."""
    names = []
    for folder in ("normal", "anomaly", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for label, count in (("normal", normal), ("anomaly", anomaly)):
        for number in range(count):
            name = f"{label}/{label[0]}{number}.png"
            pixels = np.random.default_rng((1000 if label == "anomaly" else 0) + number).integers(
                90, 160, (size, size, 3), np.uint8
            )
            Image.fromarray(pixels).save(root / name)
            draw_mask(marked=label == "anomaly", size=size).save(root / "masks" / f"{label[0]}{number}.png")
            names.append(name)
    return names


def draw_mask(*, marked: bool, size: int = SIDE, background: str = "white", color: str = "#23A436") -> Image.Image:
    """Draw a mask with a square of AREA pixels, or with nothing."""
    image = Image.new("RGB", (size, size), background)
    if marked:
        ImageDraw.Draw(image).rectangle((10, 10, 29, 29), fill=color)
    return image


def is_bad(name: str) -> bool:
    """Tell of a name of write_pictures whether it is that of an anomalous picture."""
    return name.startswith("anomaly")


def classified(name: str, said: object, key: str = "job", **metadata: Any) -> dict[str, Any]:
    """Write a line of a classification job that says `said`."""
    return {"source-ref": name, key: 0, f"{key}-metadata": {"class-name": said, "type": CLASSIFICATION, **metadata}}


def labelled(name: str) -> dict[str, Any]:
    """Write a line that says what the folder says."""
    return classified(name, "anomaly" if is_bad(name) else "normal")


def masked(name: str, key: str = "m-ref", folder: str = "masks", colors: object = CRACK, **more: Any) -> dict[str, Any]:
    """Write what a segmentation job adds to a line."""
    metadata = {"internal-color-map": colors, "type": SEGMENTATION, **more}
    return {"source-ref": name, key: f"{folder}/{Path(name).name}", f"{key}-metadata": metadata}


def write_lines(path: Path, *lines: object) -> Path:
    """Write a manifest; a text is a line as it is."""
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path
