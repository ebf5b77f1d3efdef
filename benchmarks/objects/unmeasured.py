"""Kinds that were drawn once, looked at, and never measured before a final table: no size of a defect was fitted."""

from __future__ import annotations

import numpy as np

from benchmarks.objects.canvas import (
    F32,
    Part,
    around,
    cloud,
    cover,
    ellipse,
    light,
    line,
    move,
    photograph,
    plane,
    wander,
)


def bearing(defect: str | None, rng: np.random.Generator) -> Part:
    """A ball bearing, its balls anywhere in their race: a ball missing, a scored one, rust on the ring, a bent cage."""
    height = width = 480
    y, x = plane(height, width)
    cx, cy = width / 2 + rng.normal(0, 4), height / 2 + rng.normal(0, 4)
    far, angle = np.hypot(x - cx, y - cy), np.arctan2(y - cy, x - cx)
    part = np.full((height, width, 3), (34, 36, 40), np.float32) + cloud(rng, height, width, 5, 2)[..., None]
    shine = 18 * np.cos(2 * (angle - rng.uniform(0, 6.28)))
    for outer, inner, tone in ((215, 172, 168), (172, 112, 66), (112, 70, 172)):
        ring = tone + shine * (tone > 100) + 16 * np.cos((far - inner) / (outer - inner) * np.pi)
        part = cover(part, (far < outer) & (far >= inner), np.stack([ring, ring, ring * 1.03], axis=2))
    classes = np.zeros((height, width), np.uint8)
    first, chosen = rng.uniform(0, 6.28), int(rng.integers(9))
    for number in range(9):
        way = first + number * 2 * np.pi / 9
        bx, by = cx + 142 * np.cos(way), cy + 142 * np.sin(way)
        here = number == chosen
        ball = ellipse(height, width, (bx, by), (24, 24))
        if here and defect == "missing":
            classes[ball] = 1
            continue
        glow = 120 + 110 * np.exp(-(((x - bx + 7) ** 2 + (y - by + 8) ** 2) / 120))
        part = cover(part, ball, np.stack([glow, glow, glow], axis=2))
        if here and defect == "scored":
            where = line(height, width, wander(rng, (bx, by), rng.uniform(26, 40), 0.1), 3)
            classes[where] = 2
            part = cover(part, where & ball, (40, 40, 42), rng.uniform(0.7, 0.95), 0.7)
        middle = way + np.pi / 9
        bend = rng.uniform(14, 22) * rng.choice([-1, 1]) if here and defect == "bent" else 0.0
        mx, my = cx + (142 + bend) * np.cos(middle), cy + (142 + bend) * np.sin(middle)
        bar = ellipse(height, width, (mx, my), (20, 9), float(np.degrees(middle) + 90))
        if here and defect == "bent":
            classes[bar] = 4
        part = cover(part, bar, (176, 140, 78), 0.95)
    if defect == "rust":
        way, out = rng.uniform(0, 6.28), rng.choice([91, 194])
        spot = (cx + out * np.cos(way), cy + out * np.sin(way))
        where = (cloud(rng, height, width, 14, 1) > -0.4) & ellipse(height, width, spot, (rng.uniform(11, 19), 12))
        classes[where] = 3
        part = cover(part, where, (128, 74, 40), rng.uniform(0.5, 0.85), 2)
    return photograph(part * light(rng, height, width, 0.2), classes, rng)


def ceramic(defect: str | None, rng: np.random.Generator) -> Part:
    """A glazed tile with a printed ornament: chipped corner, hairline, pinholes, a petal not printed."""
    height = width = 448
    y, x = plane(height, width)
    part = np.full((height, width, 3), (226, 224, 214), np.float32) + cloud(rng, height, width, 90, 3)[..., None]
    classes = np.zeros((height, width), np.uint8)
    gone = int(rng.integers(16)) if defect == "petal" else -1
    number = 0
    for row in (0, 1):
        for column in (0, 1):
            center = np.array([118 + 212 * column, 118 + 212 * row])
            for petal in range(4):
                way = np.pi / 4 + petal * np.pi / 2
                at = center + 44 * np.array([np.cos(way), np.sin(way)])
                where = ellipse(height, width, (at[0], at[1]), (38, 17), float(np.degrees(way)))
                if number == gone:
                    classes[where] = 4
                else:
                    part = cover(part, where, (44, 82, 150), 0.9, 1.0)
                number += 1
            part = cover(part, ellipse(height, width, (center[0], center[1]), (13, 13)), (196, 148, 52), 0.9)
    rim = np.minimum(np.minimum(x, width - x), np.minimum(y, height - y))
    part = cover(part, (rim > 10) & (rim < 16), (44, 82, 150), 0.85)
    at = around(rng, height, width, 36)
    if defect == "chip":
        corner = (float(rng.choice([6, width - 6])), float(rng.choice([6, height - 6])))
        where = ellipse(height, width, corner, (rng.uniform(20, 36), rng.uniform(16, 28)), rng.uniform(0, 180))
        classes[where] = 1
        part = cover(part, where, np.array([176, 128, 96]) + cloud(rng, height, width, 5, 8)[..., None], 1.0, 1.0)
    elif defect == "hairline":
        where = line(height, width, wander(rng, at, rng.uniform(90, 180), 0.18), 2)
        classes[where] = 2
        part = cover(part, where, (110, 104, 96), rng.uniform(0.6, 0.9), 0.6)
    elif defect == "pinholes":
        for _ in range(int(rng.integers(3, 7))):
            where = ellipse(height, width, (at[0] + rng.normal(0, 16), at[1] + rng.normal(0, 16)), (3.4, 3.4))
            classes[where] = 3
            part = cover(part, where, (60, 54, 48), rng.uniform(0.7, 0.95))
    part, classes = move(part, classes, rng, turn=0.3, shift=2)
    return photograph(part * light(rng, height, width, 0.2), classes, rng)


def zipper(defect: str | None, rng: np.random.Generator) -> Part:
    """A closed zip on its tape, which never lies quite straight: teeth missing, split open, bent, a thread caught."""
    height, width = 320, 640
    y, x = plane(height, width)
    axis = height / 2 + rng.normal(0, 5) + 7 * np.sin(x / rng.uniform(120, 200) + rng.uniform(0, 6.28))
    weave = 9 * np.sin(x * 1.1) * np.sin((y - axis) * 1.1) + cloud(rng, height, width, 4, 3)
    part = np.asarray((58 + weave)[..., None] * np.array([0.9, 0.95, 1.25]), np.float32)
    part = cover(part, abs(y - axis) > 110, (150, 146, 138), 1.0, 1.0)
    classes = np.zeros((height, width), np.uint8)
    start, chosen = rng.uniform(0, 9), int(rng.integers(8, 62))
    for number in range(72):
        column = start + number * 9 - 6
        middle = float(axis[0, int(np.clip(column, 0, width - 1))])
        side = 1 if number % 2 else -1
        near = abs(number - chosen)
        if defect == "missing" and near <= 1:
            classes[int(middle) - 22 : int(middle) + 22, max(0, int(column) - 4) : int(column) + 5] = 1
            continue
        apart = 16 * np.exp(-((near / 4) ** 2)) if defect == "split" else 0.0
        turn = rng.choice([-1, 1]) * rng.uniform(28, 45) if defect == "bent" and near == 0 else rng.normal(0, 1.5)
        where = ellipse(height, width, (column, middle + side * (7 + apart)), (4, 20), float(turn))
        if (defect == "split" and near < 7) or (defect == "bent" and near == 0):
            classes[where] = 2 if defect == "split" else 3
        part = cover(part, where, np.array([186, 170, 120]) * rng.normal(1, 0.04), 0.95, 0.8)
    if defect == "thread":
        at = (start + chosen * 9, float(axis[0, 0]) + rng.normal(0, 20))
        where = line(height, width, wander(rng, at, rng.uniform(60, 110), 0.3), 3)
        classes[where] = 4
        part = cover(part, where, (214, 206, 196), rng.uniform(0.7, 0.95), 0.7)
    return photograph(part * light(rng, height, width, 0.2), classes, rng)


def leather(defect: str | None, rng: np.random.Generator) -> Part:
    """Grained leather with a seam: a scratch, a cut, glue, a stitch left out."""
    height = width = 512
    grain = cloud(rng, height, width, 9, 1) + 0.6 * cloud(rng, height, width, 5, 1)
    wrinkles = np.exp(-((grain / 0.25) ** 2))
    tone = 1 - 0.16 * wrinkles + cloud(rng, height, width, 130, 0.03) + cloud(rng, height, width, 3, 0.02)
    part = np.asarray(np.array([122, 74, 46]) * np.asarray(tone, np.float32)[..., None], np.float32)
    classes = np.zeros((height, width), np.uint8)
    seam = rng.uniform(60, 90)
    slope = rng.normal(0, 0.02)
    first, skipped = rng.uniform(0, 26), int(rng.integers(2, 17)) if defect == "stitch" else -1
    for number in range(21):
        left = first + number * 26 - 13
        ends = [(left, seam + slope * left), (left + 17, seam + slope * left + rng.normal(0, 0.7))]
        where = line(height, width, ends, 4)
        if number == skipped:
            classes[where] = 4
            continue
        part = _stitch(part, where)
    at = (float(rng.uniform(50, width - 50)), float(rng.uniform(140, height - 50)))
    if defect == "scratch":
        where = line(height, width, wander(rng, at, rng.uniform(60, 140), 0.1), 2)
        classes[where] = 1
        part = cover(part, where, (190, 150, 116), rng.uniform(0.6, 0.9), 0.8)
    elif defect == "cut":
        where = line(height, width, wander(rng, at, rng.uniform(36, 80), 0.04), int(rng.integers(3, 5)))
        classes[where] = 2
        part = cover(part, where, (26, 16, 12), rng.uniform(0.75, 0.95), 0.8)
    elif defect == "glue":
        blob = cloud(rng, height, width, 16, 1) > -0.6
        where = blob & ellipse(height, width, at, (rng.uniform(16, 30), rng.uniform(12, 22)), rng.uniform(0, 180))
        classes[where] = 3
        part = cover(part, where, np.array([172, 152, 128], np.float32), rng.uniform(0.45, 0.8), 2)
    return photograph(part * light(rng, height, width, 0.2), classes, rng)


def _stitch(part: F32, where: np.ndarray) -> F32:
    return cover(part, where, (206, 182, 142), 0.95, 0.8)
