"""Pictures of a part on an inspection line: a turned steel flange with six bolt holes, some of them damaged."""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

WIDTH, HEIGHT = 640, 480
_CENTER = (WIDTH / 2, HEIGHT / 2)
_OUTER, _RIM, _HUB, _BORE = 205.0, 192.0, 96.0, 52.0
_BOLT_CIRCLE, _BOLT, _BOLTS = 148.0, 17.0, 6
_BELT = np.array([52, 58, 66], np.float32)
_STEEL = np.array([176, 180, 186], np.float32)


def normal_picture(rng: np.random.Generator) -> U8:
    """Draw a good part: uint8 [480, 640, 3], RGB. Light, position and noise differ as they do on a line."""
    return _photograph(_shine(), rng)


def anomalous_picture(rng: np.random.Generator) -> U8:
    """Draw a part with one or two scratches or dents."""
    part = _shine().copy()
    for _ in range(rng.integers(1, 3)):
        if rng.random() < 0.6:
            _scratch(part, rng)
        else:
            _dent(part, rng)
    return _photograph(part, rng)


@functools.cache  # it is the same for every picture, and takes most of the time to draw one
def _shine() -> F32:
    """Draw the part under perfect conditions: float32 [height, width, 3] of 0..255, which nobody may change."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    dx, dy = x - _CENTER[0], y - _CENTER[1]
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    # Turning leaves fine rings, and light from one side a double fan, as on the face of any turned part.
    rings = 5 * np.sin(radius * 1.9) + 3 * np.sin(radius * 0.63 + 1)
    fan = 26 * np.cos(2 * (angle + 0.6))
    light = 1 - 0.0006 * (dx + 0.7 * dy)
    steel = (_STEEL + (rings + fan)[..., None]) * light[..., None]
    steel -= 34 * _inside(radius, _OUTER, _RIM)[..., None]  # chamfer
    steel += 14 * _inside(radius, _HUB, _BORE)[..., None]  # raised hub
    steel -= 55 * np.exp(-(((radius - _HUB) / 2.2) ** 2))[..., None]  # its shadow
    belt = _BELT + 6 * np.sin(x * 0.35)[..., None]
    shadow = _disc(np.hypot(dx - 9, dy - 11), _OUTER + 2, 7.0)
    picture = belt * (1 - 0.55 * shadow[..., None])
    picture = _mix(picture, steel, _disc(radius, _OUTER))
    holes = _disc(radius, _BORE)
    for bolt in range(_BOLTS):
        at = bolt * 2 * math.pi / _BOLTS + 0.3
        holes = np.maximum(
            holes, _disc(np.hypot(dx - _BOLT_CIRCLE * math.cos(at), dy - _BOLT_CIRCLE * math.sin(at)), _BOLT)
        )
    part = _mix(picture, belt * 0.5, holes)
    part.flags.writeable = False
    return part


def _disc(radius: F32, size: float, softness: float = 1.0) -> F32:
    """Return 1 inside a circle and 0 outside, with an edge `softness` pixels wide."""
    return np.asarray(np.clip((size - radius) / softness + 0.5, 0, 1), np.float32)


def _inside(radius: F32, outer: float, inner: float) -> F32:
    return np.subtract(_disc(radius, outer), _disc(radius, inner))


def _mix(below: F32, above: F32, share: F32) -> F32:
    return np.asarray(below * (1 - share[..., None]) + above * share[..., None], np.float32)


def _place(rng: np.random.Generator) -> tuple[float, float]:
    """Choose a place on the face of the part, off the holes."""
    at = rng.integers(_BOLTS) * 2 * math.pi / _BOLTS + 0.3 + math.pi / _BOLTS + rng.normal(0, 0.08)
    radius = rng.uniform(_HUB + 20, _RIM - 22)
    return _CENTER[0] + radius * math.cos(at), _CENTER[1] + radius * math.sin(at)


def _scratch(part: F32, rng: np.random.Generator) -> None:
    """Draw a thin, slightly bent line: a bright furrow with a dark edge."""
    x, y = _place(rng)
    heading, length = rng.uniform(0, math.pi), rng.uniform(50, 110)
    bend = rng.uniform(-0.5, 0.5)
    steps = np.linspace(-0.5, 0.5, 24)
    points = np.stack(
        [
            x + length * steps * math.cos(heading) - length * bend * steps**2 * math.sin(heading),
            y + length * steps * math.sin(heading) + length * bend * steps**2 * math.cos(heading),
        ],
        axis=1,
    )
    for offset, width, change in ((1.6, 3, -70.0), (0.0, 2, 75.0)):
        line = np.zeros((HEIGHT, WIDTH), np.uint8)
        shifted = np.round((points + offset) * 16).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(line, [shifted], isClosed=False, color=255, thickness=width, lineType=cv2.LINE_AA, shift=4)
        part += change * (line.astype(np.float32) / 255)[..., None]


def _dent(part: F32, rng: np.random.Generator) -> None:
    """Draw a hollow: dark where it turns from the light, bright where it faces it."""
    x, y = _place(rng)
    size = rng.uniform(9, 17)
    grid_y, grid_x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    dx, dy = (grid_x - x) / size, (grid_y - y) / (size * rng.uniform(0.7, 1.0))
    slope = (0.8 * dx + 0.6 * dy) * np.exp(-(dx**2 + dy**2))
    part += (150 * slope - 30 * np.exp(-1.5 * (dx**2 + dy**2)))[..., None]


def _photograph(part: F32, rng: np.random.Generator) -> U8:
    """Take the picture: exposure, half a pixel of play in the fixture, the sensor's noise."""
    move = np.array([[1, 0, rng.normal(0, 0.25)], [0, 1, rng.normal(0, 0.25)]], np.float32)
    moved = cv2.warpAffine(part, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    exposed = moved * rng.normal(1, 0.015) + rng.normal(0, 1, 3)
    noisy = exposed + rng.normal(0, 2.5, part.shape)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)
