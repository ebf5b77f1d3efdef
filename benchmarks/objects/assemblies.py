"""Things of many parts: a printed label, a tray of screws, a vial, a circuit board, a heap of caps."""

from __future__ import annotations

import cv2
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

_FONT = cv2.FONT_HERSHEY_SIMPLEX


def label(defect: str | None, rng: np.random.Generator) -> Part:
    """A printed label whose lot number differs: a missing letter, a smear, a blot, the red print out of register."""
    height, width = 400, 640
    ink, red = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    words = [
        ("NATRIUM", (70, 110), 1.6),
        ("CHLORID 0.9 %", (70, 165), 1.1),
        (f"LOT {rng.integers(1000, 9999)}", (70, 300), 0.9),
        (f"EXP {rng.integers(1, 12):02d}/2{rng.integers(7, 9)}", (70, 335), 0.9),
    ]
    for text, start, size in words:
        cv2.putText(ink, text, start, _FONT, size, 1, 2 if size < 1.5 else 4, cv2.LINE_8)
    bars = np.random.default_rng(3).integers(2, 7, 40)
    x = 400
    for number, bar in enumerate(bars):
        if number % 2 == 0:
            ink[270:340, x : x + int(bar)] = 1
        x += int(bar)
    offset = rng.normal(0, 0.8, 2)
    if defect == "register":
        offset = rng.uniform(13, 22) * np.array([np.cos(turn := rng.uniform(0, 6.28)), np.sin(turn)])
    ox, oy = round(float(offset[0])), round(float(offset[1]))
    cv2.rectangle(red, (60 + ox, 190 + oy), (580 + ox, 230 + oy), 1, 3)
    cv2.putText(red, "FOR INFUSION ONLY", (100 + ox, 220 + oy), _FONT, 0.9, 1, 2, cv2.LINE_8)
    classes = np.zeros((height, width), np.uint8)
    text_at = (float(rng.uniform(90, 320)), float(rng.choice([95, 155, 215, 293, 328])))
    if defect == "missing":
        printed = np.argwhere((ink > 0) | (red > 0))
        row, column = printed[int(rng.integers(len(printed)))]
        gone = ellipse(height, width, (column, row), (rng.uniform(18, 34), rng.uniform(14, 24)))
        classes[gone & ((ink > 0) | (red > 0))] = 1
        ink[gone] = red[gone] = 0
    paper = np.full((height, width, 3), (232, 230, 222), np.float32) + cloud(rng, height, width, 3, 2)[..., None]
    part = cover(paper, red > 0, (188, 44, 40), 0.95)
    part = cover(part, ink > 0, (30, 30, 36), 0.95)
    if defect == "smear":
        where = ellipse(height, width, text_at, (rng.uniform(36, 70), rng.uniform(18, 28)))
        classes[where] = 2
        dragged = np.asarray(cv2.blur(part, (int(rng.integers(21, 39)), 1)), np.float32)
        part = cover(part, where, dragged, 1.0, 4)
    elif defect == "blot":
        at = around(rng, height, width, 60)
        where = ellipse(height, width, at, (rng.uniform(9, 17), rng.uniform(8, 14)), rng.uniform(0, 180))
        classes[where] = 3
        part = cover(part, where, (50, 50, 60), rng.uniform(0.6, 0.95))
    elif defect == "register":
        classes[red > 0] = 4
    part, classes = move(part, classes, rng, turn=0.4, shift=2.5)
    return photograph(part * light(rng, height, width, 0.2), classes, rng)


def tray(defect: str | None, rng: np.random.Generator) -> Part:
    """Twelve screws in a tray: one missing, doubled, turned, or too short."""
    height, width = 480, 640
    part = np.full((height, width, 3), (70, 84, 104), np.float32) + cloud(rng, height, width, 5, 2)[..., None]
    classes = np.zeros((height, width), np.uint8)
    for k in range(5):
        part[:, max(0, k * 156 + 4) : k * 156 + 12] *= 1.35
    for k in range(4):
        part[k * 156 + 4 : k * 156 + 12] *= 1.35
    chosen = int(rng.integers(12))
    for cell in range(12):
        center = np.array([84 + cell % 4 * 156, 84 + cell // 4 * 156]) + rng.normal(0, 5, 2)
        here = cell == chosen
        if here and defect == "missing":
            classes[ellipse(height, width, (center[0], center[1]), (50, 22))] = 1
            continue
        angle = rng.normal(0, 0.08)
        reach = 92.0
        if here and defect == "turned":
            angle += np.pi
        if here and defect == "short":
            reach = rng.uniform(36, 52)
        before = part.copy() if here else part
        part = _screw(part, center, angle, reach, rng)
        if here and defect == "doubled":
            beside = center + rng.normal(0, 8, 2) + np.array([0, 34 * rng.choice([-1, 1])])
            part = _screw(part, beside, rng.normal(0, 0.3), reach, rng)
        if here and defect in ("turned", "short", "doubled"):
            classes[np.abs(part - before).sum(axis=2) > 20] = {"doubled": 2, "turned": 3, "short": 4}[defect]
    part, classes = move(part, classes, rng, turn=0.5, shift=4)
    return photograph(part * light(rng, height, width, 0.2), classes, rng)


def _screw(part: F32, center: np.ndarray, angle: float, reach: float, rng: np.random.Generator) -> F32:
    """Draw a screw that is `reach` pixels long, its head on the left at an angle of 0."""
    height, width = part.shape[:2]
    along = np.array([np.cos(angle), np.sin(angle)])
    head, tip = center - along * 46, center + along * (reach - 46)
    shine = rng.normal(1, 0.06)
    part = cover(part, line(height, width, [head, tip], 15), np.array([150, 150, 146]) * shine)
    across = np.array([-along[1], along[0]])
    for step in np.arange(24, reach, 8):
        at = head + along * step
        part = cover(part, line(height, width, [at - across * 7, at + across * 7], 2), (92, 92, 92), 0.8, 0.6)
    part = cover(part, ellipse(height, width, (head[0], head[1]), (20, 20)), np.array([182, 182, 176]) * shine)
    turn = rng.uniform(0, np.pi)
    slot = np.array([np.cos(turn), np.sin(turn)]) * 14
    return cover(part, line(height, width, [head - slot, head + slot], 4), (70, 70, 70), 0.9)


def vial(defect: str | None, rng: np.random.Generator) -> Part:
    """A glass vial against the light, its liquid not always as high: bubble, crack, particle, too little in it."""
    height, width = 640, 384
    y, x = plane(height, width)
    center = width / 2 + rng.normal(0, 6)
    u = (x - center) / 110
    body = (abs(u) < 1) & (y > 90) & (y < 600)
    neck = (abs(u) < 0.5) & (y > 30) & (y <= 100)
    back = 168 + 20 * np.cos((x - rng.uniform(0, width)) / 150) + cloud(rng, height, width, 60, 3)
    glass = back * (1 - 0.45 * np.clip(abs(u), 0, 1) ** 6) - 40 * np.exp(-(((abs(u) - 0.97) / 0.03) ** 2))
    for place, strength in ((-0.72, 46), (0.8, 30), (0.66, 14)):
        glass = glass + strength * np.exp(-(((u - place - rng.normal(0, 0.015)) / 0.03) ** 2))
    level = 250 + rng.normal(0, 9)
    if defect == "low":
        level += rng.uniform(48, 90)
    surface = level + 5 * u**2
    liquid = y > surface
    glass = np.where(liquid, glass * 0.9 - 6, glass) - 34 * np.exp(-(((y - surface) / 2.5) ** 2))
    part = np.asarray(np.stack([back, back, back * 1.02], axis=2), np.float32)
    tinted = np.stack([glass, glass, glass + np.where(liquid, 8, 2)], axis=2)
    part = cover(part, body | neck, tinted)
    part = cover(part, (abs(u) < 0.62) & (y > 12) & (y <= 60), (96, 100, 110))
    classes = np.zeros((height, width), np.uint8)
    at = (center + rng.uniform(-85, 85), float(rng.uniform(level + 30, 570)))
    if defect == "bubble":
        size = rng.uniform(4, 8)
        far = np.hypot(x - at[0], y - at[1])
        classes[far < size + 2] = 1
        part = (
            part + (rng.uniform(20, 44) * (np.exp(-(((far - size) / 1.4) ** 2)) * ((y < at[1]) * 1.6 - 0.8)))[..., None]
        )
    elif defect == "crack":
        where = line(height, width, wander(rng, at, rng.uniform(36, 100), 0.22), 1)
        classes[where] = 2
        part = cover(part, where, part + rng.choice([-1, 1]) * rng.uniform(30, 62), 1.0, 0.6)
    elif defect == "particle":
        where = ellipse(height, width, at, (rng.uniform(2, 4), rng.uniform(2, 4)))
        classes[where] = 3
        part = cover(part, where, (64, 58, 52), rng.uniform(0.5, 0.95))
    elif defect == "low":
        classes[(y > 250) & (y < level) & body] = 4
    return photograph(part * light(rng, height, width, 0.2), classes, rng)


def board(defect: str | None, rng: np.random.Generator) -> Part:
    """A circuit board in a large picture, its defects small: open trace, bridge, component missing or turned."""
    height, width = 1200, 1600
    fixed = np.random.default_rng(11)
    copper = np.zeros((height, width), np.uint8)
    traces = []
    for _ in range(70):
        start = np.array([fixed.integers(6, 94) * 16, fixed.integers(6, 69) * 16])
        bend = start + np.array([fixed.integers(-18, 18) * 16, 0])
        end = bend + np.array([0, fixed.integers(-14, 14) * 16])
        points = np.clip(np.array([start, bend, end]), 50, [1550, 1150])
        traces.append(points)
        cv2.polylines(copper, [points.astype(np.int32)], False, 1, 8)
    pads = [p[0] for p in traces] + [p[2] for p in traces]
    classes = np.zeros((height, width), np.uint8)
    chosen = traces[int(rng.integers(len(traces)))]
    share = rng.uniform(0.3, 0.7)
    middle = chosen[0] * (1 - share) + chosen[1] * share
    if defect == "open":
        gap = ellipse(height, width, (middle[0], middle[1]), (rng.uniform(24, 40), 16))
        classes[gap] = 1
        copper[gap] = 0
    elif defect == "bridge":
        bridge = line(
            height,
            width,
            [middle, middle + np.array([rng.uniform(-8, 8), rng.choice([-1, 1]) * rng.uniform(24, 44)])],
            12,
        )
        classes[bridge] = 2
        copper[bridge] = 1
    part = np.full((height, width, 3), (26, 84, 58), np.float32) + cloud(rng, height, width, 6, 2)[..., None]
    part = cover(part, copper > 0, (58, 128, 84), 1.0, 1.0)
    for pad in pads:
        part[int(pad[1]) - 9 : int(pad[1]) + 10, int(pad[0]) - 9 : int(pad[0]) + 10] = np.array(
            [190, 186, 170]
        ) * rng.normal(1, 0.01)
    places = [(fixed.integers(5, 93) * 16, fixed.integers(5, 68) * 16, bool(fixed.random() < 0.5)) for _ in range(46)]
    gone = int(rng.integers(len(places)))
    for number, (cx, cy, wide) in enumerate(places):
        if number == gone and defect == "missing":
            classes[cy - 16 : cy + 16, cx - 30 : cx + 30] = 3
            continue
        turned = number == gone and defect == "turned"
        w, h = (30, 16) if wide != turned else (16, 30)
        if turned:
            classes[cy - h : cy + h, cx - w : cx + w] = 4
        dx, dy = (int(v) for v in np.round(rng.normal(0, 0.6, 2)))
        part[cy + dy - h : cy + dy + h, cx + dx - w : cx + dx + w] = np.array([44, 42, 42]) * rng.normal(1, 0.02)
        ends = (w - 7, 0) if w > h else (0, h - 7)
        for sign in (-1, 1):
            ex, ey = cx + dx + sign * ends[0], cy + dy + sign * ends[1]
            part[ey - 7 : ey + 7, ex - 7 : ex + 7] = (196, 196, 190)
    part, classes = move(part, classes, rng, turn=0.1, shift=3)
    return photograph(part * light(rng, height, width, 0.1), classes, rng)


def caps(defect: str | None, rng: np.random.Generator) -> Part:
    """A heap of blue caps: one of another colour, something foreign, a cracked one."""
    height = width = 512
    part = np.full((height, width, 3), (44, 46, 52), np.float32)
    classes = np.zeros((height, width), np.uint8)
    y, x = plane(height, width)
    grid = [(30 + i % 8 * 64 + 32 * (i // 8 % 2), 30 + i // 8 * 64) for i in range(64)]
    order = rng.permutation(64)
    # The chosen one lies on top and inside, or nobody could see it.
    inner = [int(i) for i in order if 80 < grid[i][0] < 430 and 80 < grid[i][1] < 430]
    chosen = inner[0]
    order = np.append(order[order != chosen], chosen)
    for number in order:
        cx, cy = np.array(grid[number]) + rng.normal(0, 2, 2)
        low_x, low_y = max(0, int(cx) - 48), max(0, int(cy) - 48)
        cut = (slice(low_y, int(cy) + 48), slice(low_x, int(cx) + 48))
        radius = np.hypot(x[cut] - cx, y[cut] - cy)
        color = np.array([38, 92, 170]) * rng.normal(1, 0.015)
        here = number == chosen
        if here and defect == "colour":
            share = rng.uniform(0.6, 1.0)
            color = (
                color * (1 - share)
                + np.array([[40, 150, 90], [120, 70, 160], [190, 200, 210]][int(rng.integers(3))]) * share
            )
            classes[cut][radius < 32] = 1
        shade = 1 + 0.16 * np.cos(radius / 4.2) * (radius > 16) + 0.25 * np.exp(-(((radius - 29) / 2.5) ** 2))
        shade = shade + 0.12 * ((x[cut] - cx) + (y[cut] - cy)) / -60
        part[cut] = cover(part[cut], radius < 35, (16, 20, 30), 0.7, 1.6)
        part[cut] = cover(part[cut], radius < 32, color * np.asarray(shade, np.float32)[..., None])
        if here and defect == "cracked":
            where = line(
                height, width, wander(rng, (cx + rng.normal(0, 8), cy + rng.normal(0, 8)), rng.uniform(40, 64), 0.2), 5
            )
            classes[where] = 2
            part = cover(part, where, (10, 22, 44), rng.uniform(0.85, 1.0))
        if here and defect == "foreign":
            where = ellipse(
                height,
                width,
                (cx + rng.normal(0, 14), cy + rng.normal(0, 14)),
                (rng.uniform(14, 22), rng.uniform(6, 9)),
                rng.uniform(0, 180),
            )
            classes[where] = 3
            part = cover(part, where, (186, 184, 176), rng.uniform(0.8, 1.0))
    return photograph(part * light(rng, height, width, 0.25), classes, rng)
