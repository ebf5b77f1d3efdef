"""Surfaces without a fixed position: knitted cloth, wood, gravel."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np

from benchmarks.objects.canvas import (
    U8,
    Part,
    around,
    cloud,
    cover,
    ellipse,
    light,
    line,
    photograph,
    plane,
    streaks,
    wander,
)


def knit(defect: str | None, rng: np.random.Generator) -> Part:
    """Knitted cloth: a dropped stitch, a snag, a row of another yarn."""
    height = width = 480
    y, x = plane(height, width)
    x = x + cloud(rng, height, width, 90, 3) + rng.uniform(0, 40)
    y = y + cloud(rng, height, width, 90, 3) + rng.uniform(0, 40)
    column, row = np.floor(x / 18), np.floor((y + 5 * abs(np.mod(x / 18, 1) - 0.5)) / 14)
    u, v = np.mod(x / 18, 1) - 0.5, np.mod((y + 5 * abs(np.mod(x / 18, 1) - 0.5)) / 14, 1) - 0.5
    leg = np.clip(1.15 - ((abs(u) - 0.25) / 0.26) ** 2 - (v / 0.62) ** 2, 0.12, 1)
    fibre = 1 + cloud(rng, height, width, 2, 0.06) + 0.05 * np.sin((x + 3 * y * np.sign(u)) * 1.3)
    yarn = np.array([104, 118, 150], np.float32) * (0.45 + 0.6 * leg * fibre)[..., None]
    classes = np.zeros((height, width), np.uint8)
    at = around(rng, height, width, 60)
    c, r = column[int(at[1]), int(at[0])], row[int(at[1]), int(at[0])]
    if defect == "dropped":
        where = (column == c) & (row >= r) & (row < r + rng.integers(1, 4))
        classes[where] = 1
        yarn = cover(yarn, where & (abs(v) < 0.34), np.array([40, 44, 56]), rng.uniform(0.55, 0.95), 1.2)
    elif defect == "snag":
        where = line(height, width, wander(rng, at, rng.uniform(40, 90), 0.4), 3)
        classes[where] = 2
        yarn = cover(yarn, where, np.array([160, 174, 206]), rng.uniform(0.55, 0.9))
    elif defect == "yarn":
        length = rng.integers(7, 16)
        where = (row == r) & (abs(column - c) < length)
        classes[where] = 3
        tint = 1 + rng.uniform(0.14, 0.3) * rng.choice([-1, 1]) * np.array([1, 0.6, -0.4])
        yarn = np.where(where[..., None], yarn * tint, yarn)
    return photograph(np.asarray(yarn, np.float32) * light(rng, height, width, 0.25), classes, rng)


def wood(defect: str | None, rng: np.random.Generator) -> Part:
    """Boards, no two alike, some with a knot, which is no defect: a scratch, a stain, a worm's hole, a crack."""
    height = width = 512
    y, x = plane(height, width)
    knots = [around(rng, height, width, 40) for _ in range(int(rng.random() < 0.35))]
    bend = cloud(rng, height, width, 220, 26)
    for knot in knots:
        bend = bend + 26 * np.sign(y - knot[1]) * np.exp(-(((x - knot[0]) / 70) ** 2) - ((y - knot[1]) / 46) ** 2)
    rings = np.sin((y + bend) * rng.uniform(0.14, 0.22)) + 0.6 * np.sin((y + 1.4 * bend) * 0.47 + 1)
    shade = 1 + 0.07 * rings + streaks(rng, height, width, 41, 0.035)
    part = np.array([186, 142, 96], np.float32) * rng.normal(1, 0.06) * np.asarray(shade, np.float32)[..., None]
    for knot in knots:
        part = cover(
            part, ellipse(height, width, knot, (rng.uniform(10, 20), rng.uniform(7, 13))), (104, 66, 40), 0.75, 3
        )
    classes = np.zeros((height, width), np.uint8)
    at = around(rng, height, width, 50)
    if defect == "scratch":
        where = line(
            height, width, wander(rng, at, rng.uniform(40, 130), 0.08, rng.uniform(0.5, 2.6)), int(rng.integers(2, 4))
        )
        classes[where] = 1
        part = cover(part, where, part * rng.choice([0.62, 1.35]), rng.uniform(0.6, 1.0), 0.7)
    elif defect == "stain":
        where = ellipse(height, width, at, (rng.uniform(14, 36), rng.uniform(12, 26)), rng.uniform(0, 180))
        classes[where] = 2
        part = cover(part, where, part * np.array([0.86, 0.9, 1.02]) * rng.uniform(0.62, 0.84), 1.0, 4)
    elif defect == "hole":
        where = ellipse(height, width, at, (rng.uniform(4, 8), rng.uniform(4, 7)), rng.uniform(0, 180))
        classes[where] = 3
        part = cover(part, where, (44, 30, 22), 0.95)
    elif defect == "crack":
        where = line(height, width, wander(rng, at, rng.uniform(50, 150), 0.05, rng.normal(0, 0.1)), 2)
        classes[where] = 4
        part = cover(part, where, (70, 46, 30), rng.uniform(0.6, 0.95))
    return photograph(part * light(rng, height, width, 0.25), classes, rng)


def public_texture(name: str) -> Path | None:
    """Find a picture that scikit-image carries in its package; None where it is not installed."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name("data") / f"{name}.png"
    return path if path.exists() else None


def gravel(defect: str | None, rng: np.random.Generator) -> Part:
    """Parts of a photograph of gravel (scikit-image's gravel.png, CC0), turned: another pebble, wire, oil."""
    path = public_texture("gravel")
    if path is None:
        raise FileNotFoundError("gravel.png of scikit-image is not there: pip install scikit-image")
    whole = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert whole is not None
    height = width = 320
    how = cv2.getRotationMatrix2D((256, 256), float(rng.uniform(0, 360)), float(rng.uniform(0.95, 1.1)))
    how[:, 2] = how[:, 2] + np.array([width / 2 - 256, height / 2 - 256]) + rng.uniform(-70, 70, 2)
    gray: U8 = np.asarray(cv2.warpAffine(whole, how, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)
    part = np.asarray(gray[..., None] * np.array([0.98, 0.97, 0.94]), np.float32)
    classes = np.zeros((height, width), np.uint8)
    at = around(rng, height, width, 40)
    if defect == "pebble":
        where = ellipse(height, width, at, (rng.uniform(14, 26), rng.uniform(12, 22)), rng.uniform(0, 180))
        classes[where] = 1
        level = rng.choice([rng.uniform(36, 60), rng.uniform(185, 225)])
        dome = cloud(rng, height, width, 18, 8)[..., None] + np.array([level, level * 0.96, level * 0.9])
        part = cover(part, where, dome, 0.95)
    elif defect == "wire":
        where = line(height, width, wander(rng, at, rng.uniform(60, 130), 0.15), int(rng.integers(3, 5)))
        classes[where] = 2
        part = cover(part, where, (190, 110, 74), rng.uniform(0.8, 1.0))
    elif defect == "oil":
        where = ellipse(height, width, at, (rng.uniform(28, 52), rng.uniform(24, 40)), rng.uniform(0, 180))
        classes[where] = 3
        part = cover(part, where, part * rng.uniform(0.15, 0.35), 1.0, 4)
    return photograph(part * light(rng, height, width, 0.2), classes, rng)
