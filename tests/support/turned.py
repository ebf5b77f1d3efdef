"""Parts that lie at any angle, or a little elsewhere, as on a conveyor: a plate with holes, maybe with one too many."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from edge_agent.inference.imaging.resize import U8

SIDE = 256
#: an input in which all that is drawn here is seen, for a quarter of what the usual one costs a training
INPUT = (160, 160)
_HOLES = ((-62, -30), (-30, -30), (2, -30), (-62, 2), (34, 34), (-30, 34), (66, 2))
_TOO_MANY = ((34, -30), (66, -30), (-30, 2), (2, 2), (34, 2), (-62, 34), (2, 34), (66, 34))

Place = tuple[float, float]


def draw_turned(rng: np.random.Generator, angle: float, shift: Place, *, is_bad: bool) -> tuple[U8, Place]:
    """Draw a plate that is turned by `angle` degrees and shifted by pixels; a bad one has a hole more, whose middle is
    given across and down."""
    part = np.full((SIDE, SIDE, 3), (64, 62, 58), np.uint8)
    middle = SIDE // 2
    cv2.rectangle(part, (middle - 84, middle - 52), (middle + 88, middle + 56), (156, 154, 148), -1)
    extra = _TOO_MANY[int(rng.integers(len(_TOO_MANY)))]
    for x, y in (*_HOLES, *([extra] if is_bad else [])):
        cv2.circle(part, (middle + x, middle + y), 9, (44, 42, 40), -1, cv2.LINE_AA)
    how = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), angle, 1.0)
    how[:, 2] = how[:, 2] + np.array(shift)
    turned = cv2.warpAffine(part, how, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    noisy = turned * rng.normal(1, 0.02) + rng.normal(0, 2.5, turned.shape)
    at = how[:, :2] @ (extra[0] + middle, extra[1] + middle) + how[:, 2]
    return np.clip(noisy, 0, 255).astype(np.uint8), (float(at[0]), float(at[1]))


def draw_toothed(rng: np.random.Generator) -> U8:
    """Draw a disc of many teeth at any angle, lit from one side, its surface rough: it looks much the same anyway."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) - SIDE / 2
    turn = rng.uniform(0, 2 * np.pi)
    far, angle = np.hypot(x, y), np.arctan2(y, x)
    rim = 104 + 6 * np.clip(3 * np.cos((angle - turn) * 20), -1, 1)
    gray = np.full((SIDE, SIDE), 180, np.float32)
    rough = cv2.GaussianBlur(rng.normal(0, 24, (SIDE, SIDE)).astype(np.float32), (0, 0), 1.2)
    part = 100 + rough + 40 * np.cos(angle + 2.2) * np.exp(-(((far - rim + 4) / 5) ** 2))
    gray = np.where((far < rim) & (far > 40), part, gray)
    for number in range(5):
        way = turn + 2 * np.pi * number / 5
        gray[np.hypot(x - 70 * np.cos(way), y - 70 * np.sin(way)) < 11] = 40
    gray = cv2.GaussianBlur(gray, (0, 0), 0.7)[..., None] * rng.normal(1, 0.03)
    return np.clip(gray + rng.normal(0, 3, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def draw_many(count: int, angle: float, shift: float, *, is_bad: bool = False, seed: int = 0) -> list[U8]:
    """Draw plates, each turned by up to `angle` degrees and shifted by up to `shift` pixels, both ways."""
    rng = np.random.default_rng(seed)
    return [
        draw_turned(rng, rng.uniform(-angle, angle), tuple(rng.uniform(-shift, shift, 2)), is_bad=is_bad)[0]
        for _ in range(count)
    ]


def write_turned(root: Path, *, normal: int, anomaly: int, angle: float = 180, shift: float = 4, seed: int = 0) -> Path:
    """Write `normal` and `anomaly` folders of them."""
    for folder, count, is_bad in (("normal", normal, False), ("anomaly", anomaly, True)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(draw_many(count, angle, shift, is_bad=is_bad, seed=2 * seed + is_bad)):
            Image.fromarray(picture).save(root / folder / f"{number}.png")
    return root
