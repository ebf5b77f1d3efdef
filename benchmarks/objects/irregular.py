"""Things of which no two are alike: veined stone, a weld's bead, nuts that lie at any angle, a panel of many keys."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.objects.canvas import (
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

_FONT = cv2.FONT_HERSHEY_SIMPLEX


def marble(defect: str | None, rng: np.random.Generator) -> Part:
    """A slab of veined stone: a chip at the edge, a crack, a rust stain, a pit."""
    height = width = 480
    veins = cloud(rng, height, width, 120, 1) + 0.5 * cloud(rng, height, width, 40, 1)
    fine = np.exp(-((veins / 0.06) ** 2)) * 26 + np.exp(-(((veins - 0.9) / 0.1) ** 2)) * 14
    gray = 206 + cloud(rng, height, width, 160, 8) + cloud(rng, height, width, 4, 2.5) - fine
    part = np.asarray(gray[..., None] * np.array([1.0, 0.99, 0.96]), np.float32)
    classes = np.zeros((height, width), np.uint8)
    at = around(rng, height, width, 40)
    if defect == "chip":
        side = (float(rng.uniform(60, width - 60)), float(rng.choice([2, height - 2])))
        where = ellipse(height, width, side, (rng.uniform(14, 30), rng.uniform(9, 18)))
        classes[where] = 1
        part = cover(part, where, np.array([120, 116, 108]) + cloud(rng, height, width, 6, 9)[..., None], 0.95, 1.2)
    elif defect == "crack":
        where = line(height, width, wander(rng, at, rng.uniform(60, 150), 0.25), 2)
        classes[where] = 2
        part = cover(part, where, (96, 92, 88), rng.uniform(0.6, 0.9), 0.6)
    elif defect == "rust":
        where = (cloud(rng, height, width, 20, 1) > -0.3) & ellipse(
            height, width, at, (rng.uniform(16, 34), rng.uniform(12, 26)), rng.uniform(0, 180)
        )
        classes[where] = 3
        part = cover(part, where, part * np.array([0.92, 0.78, 0.6]), rng.uniform(0.5, 0.9), 4)
    elif defect == "pit":
        where = ellipse(height, width, at, (rng.uniform(4, 7), rng.uniform(3, 6)), rng.uniform(0, 180))
        classes[where] = 4
        part = cover(part, where, (84, 80, 76), rng.uniform(0.8, 0.95))
    return photograph(part * light(rng, height, width, 0.2), classes, rng)


def weld(defect: str | None, rng: np.random.Generator) -> Part:
    """A weld's bead on steel: a pore, a gap in it, spatter beside it, an undercut edge."""
    height, width = 360, 640
    y, x = plane(height, width)
    middle = height / 2 + 10 * np.sin(x / rng.uniform(90, 160) + rng.uniform(0, 6)) + rng.normal(0, 6)
    half = 44 + cloud(rng, 1, width, 60, 3)
    u = (y - middle) / half
    gray = 112 + cloud(rng, height, width, 5, 4) + cloud(rng, height, width, 90, 6)
    heat = np.exp(-((u / 1.9) ** 2))
    steel = np.stack([gray + 14 * heat, gray + 4 * heat, gray - 12 * heat], axis=2)
    phase = x / rng.uniform(3.4, 4.2) + 5 * u**2 + cloud(rng, height, width, 50, 0.5)
    bead = 150 * np.sqrt(np.clip(1 - u**2, 0, 1)) + 40 + 15 * np.sin(phase) + cloud(rng, height, width, 6, 5)
    part = cover(np.asarray(steel, np.float32), abs(u) < 1, np.stack([bead, bead, bead * 0.98], axis=2), 1.0, 1.2)
    classes = np.zeros((height, width), np.uint8)
    column = int(rng.uniform(60, width - 60))
    center = float(middle[0, column])
    if defect == "pore":
        at = (column, center + rng.uniform(-20, 20))
        where = ellipse(height, width, at, (rng.uniform(5, 9), rng.uniform(5, 8)))
        classes[where] = 1
        part = cover(part, where, (38, 36, 36), rng.uniform(0.8, 0.95), 1.2)
    elif defect == "gap":
        where = ellipse(height, width, (column, center), (rng.uniform(14, 30), 46)) & (abs(u) < 1)
        classes[where] = 2
        part = cover(part, where, np.asarray(steel, np.float32) * 0.8, rng.uniform(0.7, 0.95), 2.5)
    elif defect == "spatter":
        for _ in range(int(rng.integers(2, 5))):
            far = rng.choice([-1, 1]) * rng.uniform(62, 120)
            where = ellipse(
                height, width, (column + rng.normal(0, 26), center + far), (size := rng.uniform(4, 8), size)
            )
            classes[where] = 3
            part = cover(part, where, (196, 194, 188), 0.9, 1.0)
    elif defect == "undercut":
        edge = (abs(abs(u) - 1) < 0.1) & (abs(x - column) < rng.uniform(26, 54)) & (u * rng.choice([-1, 1]) > 0)
        classes[edge] = 4
        part = cover(part, edge, (34, 32, 32), rng.uniform(0.75, 0.95), 1.2)
    return photograph(part * light(rng, height, width, 0.25), classes, rng)


def nut(defect: str | None, rng: np.random.Generator) -> Part:
    """A dark hexagonal nut at any angle and anywhere: a burr, a crack, no thread, dirt in the hole."""
    height = width = 448
    y, x = plane(height, width)
    cx, cy = width / 2 + rng.uniform(-40, 40), height / 2 + rng.uniform(-40, 40)
    turn = rng.uniform(0, np.pi / 3)
    far, angle = np.hypot(x - cx, y - cy), np.arctan2(y - cy, x - cx) - turn
    within = np.mod(angle, np.pi / 3) - np.pi / 6
    out = far * np.cos(within) / 128
    part = np.full((height, width, 3), (92, 94, 98), np.float32) + cloud(rng, height, width, 8, 3)[..., None]
    tone = 62 + cloud(rng, height, width, 4, 3) + 18 * np.exp(-(((out - 0.93) / 0.05) ** 2))
    tone = tone + 14 * np.cos(angle + turn - rng.uniform(0, 6.28))
    part = cover(part, out < 1.03, (60, 61, 64), 0.7, 5)
    part = cover(part, out < 1, np.stack([tone, tone, tone * 1.06], axis=2))
    bore = 64 + (0 if defect == "threadless" else 3.2 * np.sin(far / 1.5))
    inside = 24 + 22 * np.exp(-(((far - bore) / 9) ** 2))
    if defect != "threadless":
        inside = inside + 20 * np.sin(far / 1.6 + angle) * (abs(far - 58) < 9)
    part = cover(part, far < 68, np.stack([inside] * 3, axis=2))
    classes = np.zeros((height, width), np.uint8)
    way = rng.uniform(0, 2 * np.pi)
    spot = np.array([cx, cy]) + rng.uniform(84, 108) * np.array([np.cos(way), np.sin(way)])
    if defect == "burr":
        rim = np.array([cx, cy]) + 130 * np.array([np.cos(way), np.sin(way)])
        where = ellipse(height, width, (rim[0], rim[1]), (rng.uniform(10, 18), rng.uniform(6, 10)), np.degrees(way))
        classes[where] = 1
        part = cover(part, where, (140, 138, 134), 0.9)
    elif defect == "crack":
        where = line(height, width, wander(rng, (spot[0], spot[1]), rng.uniform(40, 70), 0.2, way), 3)
        classes[where] = 2
        part = cover(part, where, (20, 20, 22), rng.uniform(0.7, 0.95), 0.8)
    elif defect == "threadless":
        classes[abs(far - 58) < 10] = 3
    elif defect == "dirt":
        where = ellipse(height, width, (cx + rng.normal(0, 22), cy + rng.normal(0, 22)), (rng.uniform(8, 15), 9))
        classes[where] = 4
        part = cover(part, where, (128, 112, 84), rng.uniform(0.7, 0.95), 1.5)
    return photograph(part * light(rng, height, width, 0.25), classes, rng, noise=2.0)


def keys(defect: str | None, rng: np.random.Generator) -> Part:
    """A keypad in a large picture, its defects small: a letter broken, a scratch, a key pushed in, a dead lamp."""
    height, width = 960, 1280
    part = np.full((height, width, 3), (52, 54, 58), np.float32) + cloud(rng, height, width, 4, 2)[..., None]
    classes = np.zeros((height, width), np.uint8)
    chosen = int(rng.integers(48))
    for number in range(48):
        left, top = 60 + number % 8 * 148, 60 + number // 8 * 144
        here = number == chosen
        cap = np.array([204, 202, 196]) * rng.normal(1, 0.01)
        sunk = here and defect == "sunk"
        inset = 10 if sunk else 0
        part[top + 6 : top + 116, left + 6 : left + 126] *= 0.55
        part[top + inset : top + 108 - inset, left + inset : left + 120 - inset] = cap * (0.86 if sunk else 1)
        if sunk:
            classes[top : top + 108, left : left + 120] = 3
        ink = np.zeros((height, width), np.uint8)
        cv2.putText(ink, chr(65 + number % 26), (left + 18, top + 74), _FONT, 2.0, 1, 6, cv2.LINE_8)
        if here and defect == "letter":
            printed = np.argwhere(ink > 0)
            row, column = printed[int(rng.integers(len(printed)))]
            gone = ellipse(height, width, (column, row), (rng.uniform(11, 18), rng.uniform(10, 15)))
            classes[gone & (ink > 0)] = 1
            ink[gone] = 0
        part = cover(part, ink > 0, (36, 38, 44), 0.95)
        lamp = ellipse(height, width, (left + 98, top + 22), (8, 8))
        dead = here and defect == "lamp"
        part = cover(part, lamp, (70, 66, 60) if dead else (70, 190, 96), 0.95)
        if dead:
            classes[lamp] = 4
        if here and defect == "scratch":
            at = (left + rng.uniform(30, 90), top + rng.uniform(30, 80))
            where = line(height, width, wander(rng, at, rng.uniform(40, 80), 0.08), 3)
            classes[where] = 2
            part = cover(part, where, (120, 118, 112), rng.uniform(0.7, 0.95), 0.7)
    part, classes = move(part, classes, rng, turn=0.1, shift=3)
    return photograph(part * light(rng, height, width, 0.15), classes, rng)
