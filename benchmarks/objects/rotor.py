"""A round part that repeats itself around its middle, and lies at any angle."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.objects.canvas import Part, cloud, cover, ellipse, light, line, photograph, plane, wander

#: teeth around the rim and holes in the disc, and how far out they are
_TEETH, _HOLES = 24, 6
_RIM, _DEEP, _AT_HOLES, _HOLE, _BORE = 190, 20, 112, 22, 46


def rotor(defect: str | None, rng: np.random.Generator) -> Part:
    """A sintered disc with teeth and holes, at any angle: a tooth broken off or worn, a crack, pores, a hole closed."""
    height = width = 448
    y, x = plane(height, width)
    cx, cy = width / 2 + rng.uniform(-6, 6), height / 2 + rng.uniform(-6, 6)
    turn = rng.uniform(0, 2 * np.pi)
    far, angle = np.hypot(x - cx, y - cy), np.arctan2(y - cy, x - cx) - turn
    wave = np.cos(angle * _TEETH)
    rim = _RIM + _DEEP / 2 * np.clip(2.5 * wave, -1, 1)
    classes = np.zeros((height, width), np.uint8)
    if defect in ("broken", "worn"):
        tooth = 2 * np.pi * int(rng.integers(_TEETH)) / _TEETH
        near = np.abs(np.mod(angle - tooth + np.pi, 2 * np.pi) - np.pi) < np.pi / _TEETH
        less = _DEEP if defect == "broken" else rng.uniform(0.35, 0.6) * _DEEP
        cut = np.where(near, np.minimum(rim, _RIM + _DEEP / 2 - less), rim)
        classes[near & (far > cut) & (far < rim)] = 1 if defect == "broken" else 2
        rim = cut
    part = np.full((height, width, 3), (186, 184, 178), np.float32) + cloud(rng, height, width, 60, 3)[..., None]
    part = cover(part, (np.hypot(x - cx - 4, y - cy - 5) < rim), (140, 138, 134), 0.7, 5)
    gray = 104 + cloud(rng, height, width, 3, 5) + cloud(rng, height, width, 40, 3)
    gray = gray + 12 * np.exp(-(((far - _RIM + _DEEP) / 6) ** 2))
    # The camera's light comes from a side, however the part lies: edges towards it are bright.
    gray = gray + 26 * np.cos(np.arctan2(y - cy, x - cx) + 2.2) * np.exp(-(((far - rim + 3) / 4) ** 2))
    part = cover(part, far < rim, np.stack([gray, gray * 1.01, gray * 1.03], axis=2))
    closed = int(rng.integers(_HOLES)) if defect == "closed" else -1
    for number in range(_HOLES):
        way = turn + 2 * np.pi * number / _HOLES
        at = (cx + _AT_HOLES * np.cos(way), cy + _AT_HOLES * np.sin(way))
        where = ellipse(height, width, at, (_HOLE, _HOLE))
        if number == closed:
            classes[where] = 5
            part = cover(part, where, (78, 78, 80), 0.8, 2)
        else:
            part = cover(part, where, (40, 40, 42))
    part = cover(part, far < _BORE, (178, 176, 171))
    way = rng.uniform(0, 2 * np.pi)
    out = rng.uniform(140, 172) if rng.uniform() < 0.6 else rng.uniform(56, 84)
    spot = (cx + out * np.cos(way), cy + out * np.sin(way))
    if defect == "crack":
        where = line(height, width, wander(rng, spot, rng.uniform(28, 52), 0.25), 2)
        where &= far < rim
        classes[where] = 3
        part = cover(part, where, (48, 46, 46), rng.uniform(0.6, 0.9), 0.7)
    elif defect == "pores":
        where = np.zeros((height, width), np.uint8)
        for _ in range(int(rng.integers(4, 9))):
            place = np.asarray(spot) + rng.normal(0, 9, 2)
            cv2.circle(where, (round(place[0]), round(place[1])), int(rng.integers(1, 4)), 1, -1)
        classes[where > 0] = 4
        part = cover(part, where > 0, (50, 48, 48), rng.uniform(0.7, 0.95), 0.6)
    return photograph(part * light(rng, height, width, 0.25), classes, rng, noise=3.0)
