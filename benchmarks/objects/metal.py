"""Metal: a brushed sheet, a cast gear, a connector's pins. It shines differently in each picture."""

from __future__ import annotations

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
    streaks,
    wander,
)


def brushed(defect: str | None, rng: np.random.Generator) -> Part:
    """A sheet of brushed metal with a reflection that wanders: scratch, dent, stain."""
    height = width = 512
    y, x = plane(height, width)
    band = 34 * np.exp(-(((x + rng.uniform(-0.2, 0.2) * y - rng.uniform(0, width)) / rng.uniform(70, 130)) ** 2))
    gray = 148 + streaks(rng, height, width, 61, 7) + streaks(rng, height, width, 9, 3) + band
    classes = np.zeros((height, width), np.uint8)
    at = around(rng, height, width, 50)
    if defect == "scratch":
        where = line(height, width, wander(rng, at, rng.uniform(50, 150), 0.06), 2)
        classes[where] = 1
        gray = cover(gray[..., None], where, [rng.choice([-1, 1]) * rng.uniform(45, 95) + 150], 0.85, 0.6)[..., 0]
    elif defect == "dent":
        size = rng.uniform(6, 14)
        dx, dy = (x - at[0]) / size, (y - at[1]) / size
        bump = np.exp(-(dx**2 + dy**2) / 2)
        classes[bump > 0.3] = 2
        gray = gray + rng.uniform(32, 70) * bump * (dx * 0.7 + dy * 0.7)
    elif defect == "stain":
        blob = cloud(rng, height, width, 24, 1) > 0.1
        where = blob & ellipse(height, width, at, (rng.uniform(14, 34), rng.uniform(10, 24)), rng.uniform(0, 180))
        classes[where] = 3
        gray = cover(gray[..., None], where, gray[..., None] * rng.uniform(0.55, 0.76), 1.0, 2.5)[..., 0]
    part = np.asarray(gray[..., None] * np.array([0.98, 1.0, 1.03]), np.float32)
    return photograph(part * light(rng, height, width, 0.25), classes, rng)


def gear(defect: str | None, rng: np.random.Generator) -> Part:
    """A cast gear that lies at any angle: a missing tooth, a chipped one, a crack, pores."""
    height = width = 480
    y, x = plane(height, width)
    center = (width / 2 + rng.normal(0, 8), height / 2 + rng.normal(0, 8))
    dx, dy = x - center[0], y - center[1]
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx) - rng.uniform(0, 2 * np.pi)
    teeth = 18
    tooth = np.floor(np.mod(angle, 2 * np.pi) / (2 * np.pi) * teeth)
    profile = np.clip(3 * np.cos(angle * teeth - np.pi) + 0.4, -1, 1)
    rim = 176 + 13 * profile
    chosen = int(rng.integers(teeth))
    classes = np.zeros((height, width), np.uint8)
    if defect in ("missing", "chipped"):
        here = tooth == chosen
        lower = 164.0 if defect == "missing" else 188 - rng.uniform(20, 26)
        if defect == "chipped":
            here = here & (np.sin(angle * teeth / 2 + chosen) > rng.uniform(-1.2, -0.7))
        classes[here & (radius > lower) & (radius < rim)] = 1 if defect == "missing" else 2
        rim = np.where(here, np.minimum(rim, lower), rim)
    steel = 128 + cloud(rng, height, width, 3, 5) + cloud(rng, height, width, 40, 4)
    steel = (
        steel + 22 * np.cos(np.arctan2(dy, dx) * 2 + rng.uniform(-0.6, 0.6)) + 20 * np.exp(-(((radius - 120) / 5) ** 2))
    )
    steel = steel - 16 * ((radius > 64) & (radius < 116))
    if defect in ("crack", "pores"):
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(72, 150)
        at = (center[0] + far * np.cos(turn), center[1] + far * np.sin(turn))
        if defect == "crack":
            where = line(height, width, wander(rng, at, rng.uniform(40, 90), 0.3), 2)
        else:
            where = np.zeros((height, width), bool)
            for _ in range(int(rng.integers(3, 8))):
                where |= ellipse(
                    height, width, (at[0] + rng.normal(0, 8), at[1] + rng.normal(0, 8)), (rng.uniform(2, 4),) * 2
                )
        classes[where] = 3 if defect == "crack" else 4
        steel = cover(steel[..., None], where, [62], 0.85, 0.6)[..., 0]
    part = np.full((height, width, 3), (44, 46, 50), np.float32)
    part = cover(part, (radius < rim) & (radius > 46), steel[..., None] * np.array([1, 1, 1.02]), 1.0)
    return photograph(part * light(rng, height, width, 0.25), classes, rng)


def connector(defect: str | None, rng: np.random.Generator) -> Part:
    """A connector with two rows of twelve pins: one bent, missing, pushed in, or a flake beside it."""
    height, width = 320, 640
    part = np.full((height, width, 3), (92, 96, 100), np.float32)
    part[60:260, 50:590] = (38, 40, 44)
    part[72:248, 62:578] = (50, 52, 56)
    part = part + cloud(rng, height, width, 3, 2)[..., None]
    classes = np.zeros((height, width), np.uint8)
    y, x = plane(height, width)
    chosen = int(rng.integers(24))
    for pin in range(24):
        cx, cy = 100 + pin % 12 * 40 + rng.normal(0, 0.8), 120 + pin // 12 * 80 + rng.normal(0, 0.8)
        part = cover(part, (abs(x - cx) < 11) & (abs(y - cy) < 11), (26, 27, 30))
        if pin == chosen and defect == "missing":
            classes[(abs(x - cx) < 11) & (abs(y - cy) < 11)] = 2
            continue
        shine = rng.normal(1, 0.05)
        if pin == chosen and defect == "bent":
            turn = rng.uniform(0, 2 * np.pi)
            far = rng.uniform(12, 18)
            cx, cy = cx + far * np.cos(turn), cy + far * np.sin(turn)
        if pin == chosen and defect == "sunk":
            shine = rng.uniform(0.02, 0.16)
        where = (abs(x - cx) < 6) & (abs(y - cy) < 6)
        if pin == chosen and defect in ("bent", "sunk"):
            classes[where] = 1 if defect == "bent" else 3
        part = cover(part, where, np.array([206, 172, 96]) * shine)
        part = cover(
            part, (abs(x - cx + 2) < 2) & (abs(y - cy + 2) < 2), np.array([246, 226, 170]) * min(1.0, shine * shine)
        )
    if defect == "flake":
        at = (rng.uniform(80, 560), rng.uniform(85, 235))
        where = ellipse(height, width, at, (rng.uniform(10, 18), rng.uniform(4, 7)), rng.uniform(0, 180))
        classes[where] = 4
        part = cover(part, where, (186, 180, 170), rng.uniform(0.75, 1.0))
    part, classes = move(part, classes, rng, turn=0.4, shift=3)
    return photograph(part * light(rng, height, width, 0.3), classes, rng)


def seal(defect: str | None, rng: np.random.Generator) -> Part:
    """A black rubber ring on a dark belt, hardly any contrast: a nick, flash at the edge, a blister."""
    height = width = 512
    y, x = plane(height, width)
    center = (width / 2 + rng.normal(0, 18), height / 2 + rng.normal(0, 18))
    dx, dy = x - center[0], y - center[1]
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    wave = 1.5 * np.sin(2 * angle + rng.uniform(0, 6))
    outer, inner = 170 + wave, 128 + wave
    part = np.full((height, width, 3), (62, 64, 66), np.float32) + cloud(rng, height, width, 4, 2.5)[..., None]
    inside = (radius < outer) & (radius > inner)
    classes = np.zeros((height, width), np.uint8)
    turn = rng.uniform(0, 2 * np.pi)
    edge = 170 if rng.random() < 0.5 else 128
    at = (center[0] + edge * np.cos(turn), center[1] + edge * np.sin(turn))
    if defect == "nick":
        bite = ellipse(height, width, at, (rng.uniform(9, 16), rng.uniform(8, 12)), rng.uniform(0, 180))
        classes[bite & inside] = 1
        inside = inside & ~bite
    elif defect == "flash":
        out = 1 if edge == 170 else -1
        tip = (
            at[0] + out * rng.uniform(14, 28) * np.cos(turn + 0.4),
            at[1] + out * rng.uniform(14, 28) * np.sin(turn + 0.4),
        )
        more = line(height, width, [at, tip], int(rng.integers(4, 8)))
        classes[more & ~inside] = 2
        inside = inside | more
    body = 34 + 12 * np.exp(-(((radius - 149 - wave) / 9) ** 2)) * (1 + 0.5 * np.cos(angle + rng.uniform(-0.5, 0.5)))
    body = body + cloud(rng, height, width, 6, 1.2)
    if defect == "blister":
        place = (center[0] + 149 * np.cos(turn), center[1] + 149 * np.sin(turn))
        size = rng.uniform(7, 13)
        ex, ey = (x - place[0]) / size, (y - place[1]) / size
        bump = np.exp(-(ex**2 + ey**2) / 2)
        classes[bump > 0.35] = 3
        body = body + rng.uniform(30, 60) * bump * (0.5 - ex - ey) / 1.2
    part = cover(part, inside, np.asarray(body, np.float32)[..., None] * np.array([1, 1, 1.03]))
    return photograph(part * light(rng, height, width, 0.3), classes, rng, 2.0)
