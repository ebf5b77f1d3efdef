"""Large pictures of what is alike everywhere and never lies alike, with defects of a few pixels."""

from __future__ import annotations

import numpy as np

from benchmarks.objects.canvas import (
    F32,
    Part,
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

#: pixels from wire to wire, and half of a wire
_PITCH, _WIRE = 40, 7


def sieve(defect: str | None, rng: np.random.Generator) -> Part:
    """A woven wire mesh before a lamp: a wire broken, an opening clogged, two wires together, a fibre, rust."""
    height, width = 1200, 1600
    y, x = plane(height, width)
    left, top = rng.uniform(0, _PITCH, 2)
    column, row = np.floor((x - left) / _PITCH), np.floor((y - top) / _PITCH)
    chosen = int(rng.integers(3, width // _PITCH - 3)), int(rng.integers(3, height // _PITCH - 3))
    middle = (left + (chosen[0] + 0.5) * _PITCH, top + (chosen[1] + 0.5) * _PITCH)
    # Each wire lies a little beside its place, and a displaced one lies at its neighbour.
    wires = [rng.normal(0, 1.2, 80) for _ in range(2)]
    classes = np.zeros((height, width), np.uint8)
    beside = np.zeros((height, width), np.float32)
    if defect == "together":
        beside = np.asarray(15 * np.exp(-(((y - middle[1]) / 90) ** 2)) * (column == chosen[0]), np.float32)
        classes[(beside > 6) & (abs(x - middle[0]) < 12)] = 3
    across = x - left - (column + 0.5) * _PITCH - wires[0][column.astype(int) + 1] - beside
    down = y - top - (row + 0.5) * _PITCH - wires[1][row.astype(int) + 1]
    standing, lying = abs(across) < _WIRE, abs(down) < _WIRE
    if defect == "broken":
        gap = (column == chosen[0]) & (abs(y - middle[1] - _PITCH / 2) < rng.uniform(8, 12))
        classes[gap & standing] = 1
        standing &= ~gap
    part: F32 = np.repeat((205 + cloud(rng, height, width, 300, 6))[..., None], 3, axis=2).astype(np.float32)
    over = (column + row) % 2 == 0
    for where, off, along, above in ((standing, across, down, over), (lying, down, across, ~over)):
        # A wire is round, and darker where it dips below the other.
        tone = 96 + 44 * np.cos(np.pi * off / (2.2 * _WIRE)) - np.where(above, 0, 34 * np.exp(-((along / 11) ** 2)))
        seen = where & (above | ~(standing & lying))
        part = cover(part, seen, np.stack([tone, tone, tone * 0.97], axis=2).astype(np.float32), 1.0, 0.6)
    opening = (middle[0] + _PITCH / 2, middle[1] + _PITCH / 2)
    if defect == "clogged":
        axes = (rng.uniform(8, 12), rng.uniform(7, 10))
        where = ellipse(height, width, opening, axes, rng.uniform(0, 180))
        classes[where] = 2
        part = cover(part, where, (84, 74, 60), rng.uniform(0.75, 0.95), 1.2)
    elif defect == "fibre":
        where = line(height, width, wander(rng, opening, rng.uniform(60, 110), 0.35), 3)
        classes[where] = 4
        part = cover(part, where, (70, 84, 150), rng.uniform(0.7, 0.9), 0.8)
    elif defect == "rust":
        near = ellipse(height, width, middle, (rng.uniform(14, 20), rng.uniform(12, 18)), rng.uniform(0, 180))
        where = near & (standing | lying)
        classes[where] = 5
        part = cover(part, where, (132, 74, 40), rng.uniform(0.6, 0.85), 2.0)
    part, classes = move(part, classes, rng, turn=0.4, shift=0)
    return photograph(part * light(rng, height, width, 0.2), classes, rng)
