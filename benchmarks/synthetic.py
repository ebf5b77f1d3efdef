"""Pictures of two made-up parts, so that what suits the reference pictures is tried on something else too.

`fabric`: woven cloth without a fixed position; its defects are a pulled thread, a hole, a stain.
`blister`: a strip of ten tablets, turned and shifted a little; its defects are an empty pocket, a broken tablet, a
speck."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from benchmarks.objects.canvas import F32, Part, photograph

LABELS = {"fabric": ("thread", "hole", "stain"), "blister": ("empty", "broken", "speck")}


def draw(kind: str, defect: str | None, rng: np.random.Generator) -> Part:
    """Draw one part of a kind, with one defect or none."""
    return {"fabric": _fabric, "blister": _blister}[kind](defect, rng)


def _fabric(defect: str | None, rng: np.random.Generator) -> Part:
    height, width = 384, 512
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    sway = cv2.GaussianBlur(rng.normal(0, 40, (height, width)).astype(np.float32), (0, 0), 40)
    x, y = x + sway + rng.uniform(0, 30), y + 0.7 * sway + rng.uniform(0, 30)
    over = np.sin(x * 0.62) * np.sin(y * 0.62) > 0
    threads = np.where(over, np.abs(np.sin(y * 0.62)), np.abs(np.sin(x * 0.62)))
    shade = np.where(over, 1.0, 0.86) * (0.62 + 0.38 * threads)
    part = np.asarray(np.array([150, 128, 96], np.float32) * shade[..., None], np.float32)
    part += cv2.GaussianBlur(rng.normal(0, 60, (height, width)).astype(np.float32), (0, 0), 12)[..., None]
    classes = np.zeros((height, width), np.uint8)
    place = (int(rng.uniform(50, width - 50)), int(rng.uniform(50, height - 50)))
    if defect == "hole":
        axes = (int(rng.uniform(5, 12)), int(rng.uniform(5, 12)))
        cv2.ellipse(classes, place, axes, rng.uniform(0, 180), 0, 360, 2, -1)
        part = _cover(part, classes == 2, np.array([38, 34, 30], np.float32), 1.0)
    elif defect == "stain":
        blob = np.zeros((height, width), np.float32)
        cv2.ellipse(
            blob, place, (int(rng.uniform(12, 30)), int(rng.uniform(10, 22))), rng.uniform(0, 180), 0, 360, 1, -1
        )
        blob = np.asarray(cv2.GaussianBlur(blob, (0, 0), 4), np.float32)
        classes[blob > 0.5] = 3
        part *= 1 - blob[..., None] * np.array([0.28, 0.34, 0.4], np.float32) * rng.uniform(0.6, 1.2)
    elif defect == "thread":
        angle, length = rng.uniform(0, np.pi), rng.uniform(60, 140)
        steps = np.linspace(-0.5, 0.5, 20)
        wave = rng.uniform(6, 16) * np.sin(steps * rng.uniform(4, 9))
        points = np.stack([place[0] + length * steps * np.cos(angle) - wave * np.sin(angle),
                           place[1] + length * steps * np.sin(angle) + wave * np.cos(angle)], 1)  # fmt: skip
        cv2.polylines(classes, [np.round(points).astype(np.int32)], False, 1, 3)
        part = _cover(part, classes == 1, np.array([205, 190, 160], np.float32), 0.9)
    return photograph(part, classes, rng)


def _blister(defect: str | None, rng: np.random.Generator) -> Part:
    height, width = 360, 640
    part = np.full((height, width, 3), (168, 172, 178), np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    part += 10 * np.sin((x + y) * 0.5)[..., None] + 8 * np.sin((x - y) * 0.45)[..., None]
    classes = np.zeros((height, width), np.uint8)
    chosen = int(rng.integers(10))
    for pocket in range(10):
        center = (int(90 + pocket % 5 * 115 + rng.normal(0, 1)), int(105 + pocket // 5 * 150 + rng.normal(0, 1)))
        inside = (x - center[0]) ** 2 + (y - center[1]) ** 2
        part += 18 * np.exp(-(((np.sqrt(inside) - 46) / 3) ** 2))[..., None]
        tablet = inside < 36**2
        if pocket == chosen and defect == "empty":
            classes[inside < 40**2] = 1
            continue
        color = np.array([226, 222, 206], np.float32) + rng.normal(0, 3)
        if pocket == chosen and defect == "broken":
            angle = rng.uniform(0, 2 * np.pi)
            gone = tablet & ((x - center[0]) * np.cos(angle) + (y - center[1]) * np.sin(angle) > rng.uniform(8, 22))
            gone &= np.sin((x + y) * 0.3) > -1.2
            classes[gone] = 2
            tablet = tablet & ~gone
        part = _cover(part, tablet, color, 1.0)
        part -= 26 * (tablet * np.clip((np.sqrt(inside) - 28) / 8, 0, 1))[..., None]
        if pocket == chosen and defect == "speck":
            at = (int(center[0] + rng.uniform(-20, 20)), int(center[1] + rng.uniform(-20, 20)))
            cv2.ellipse(
                classes, at, (int(rng.uniform(3, 7)), int(rng.uniform(3, 6))), rng.uniform(0, 180), 0, 360, 3, -1
            )
            part = _cover(part, classes == 3, np.array([92, 70, 60], np.float32), 0.8)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, 1.2), 1.0)
    turn[:, 2] = turn[:, 2] + rng.normal(0, 3, 2)
    part = np.asarray(cv2.warpAffine(part, turn, (width, height), borderMode=cv2.BORDER_REFLECT), np.float32)
    classes = np.asarray(cv2.warpAffine(classes, turn, (width, height), flags=cv2.INTER_NEAREST), np.uint8)
    return photograph(part, classes, rng)


def _cover(part: F32, where: Any, color: F32, opacity: float) -> F32:
    soft = cv2.GaussianBlur(where.astype(np.float32), (0, 0), 0.8)[..., None] * opacity
    return np.asarray(part * (1 - soft) + color * soft, np.float32)
