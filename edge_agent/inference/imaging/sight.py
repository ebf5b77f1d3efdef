"""What is looked at of a picture to tell how the camera is: some pairs of rows, copied, and measured afterwards.

The copy is a small part of a picture, and all that the call waits for. How sharp a picture is: the mean square of the
steps from a pixel to the next, along and across, divided by the variance. Brightness and contrast cancel out; a blur
that makes edges n times as wide divides it by about n. Pixels are averaged in pairs along the rows first, or the noise
of a dark picture would be what counts.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edge_agent.component.manifest import Sharpness
from edge_agent.inference.imaging.appearance import Levels, Look
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import U8, Pixels

_PAIRS = 32  # of rows
_COLUMNS = 64  # of the grid on which brightness is measured, about
_GREEN = 1
#: variance of a picture below which nothing is in it that could be sharp
_LEAST_VARIANCE = 4.0
_LEAST_SHARPNESS = 1e-6


class Sight(NamedTuple):
    """How one picture looks; `sharpness` is None where there is nothing that could be sharp."""

    look: Look
    sharpness: float | None


def copy_rows(pixels: Pixels, width: int, height: int) -> U8:
    """Copy pairs of rows from all over a bitmap of that size: uint8 [pairs, 2, width, 3].

    Raises:
        InvalidRequest: it can't be read.
    """
    first = range(0, height - 1, max(1, height // _PAIRS))
    copy = np.empty((len(first), 2, width, CHANNELS), np.uint8)
    for place, row in enumerate(first):
        copy[place] = pixels.rows(row, row + 2).reshape(2, width, CHANNELS)
    return copy


def measure(rows: U8) -> Sight:
    """Measure what `copy_rows` has copied."""
    width = rows.shape[2]
    grid = rows[:, 0, :: max(1, width // _COLUMNS)].reshape(-1, CHANNELS).astype(np.float32)
    look = Look(_three(grid.mean(axis=0)), _three(grid.std(axis=0)))
    even = width // 2 * 2
    green = rows[:, :, :even, _GREEN].astype(np.int16)
    pairs = (green[..., 0::2] + green[..., 1::2]).astype(np.float32) / 2
    variance = float(pairs.var())
    if variance < _LEAST_VARIANCE:
        return Sight(look, None)
    along, across = np.diff(pairs, axis=2), np.diff(pairs, axis=1)
    return Sight(look, (float((along**2).mean()) + float((across**2).mean())) / variance)


def summarize_sharpness(sights: Sequence[Sight]) -> Sharpness | None:
    """Make what a component keeps of how sharp its training pictures are; None where too few have anything sharp."""
    found = [sight.sharpness for sight in sights if sight.sharpness is not None]
    if 2 * len(found) < len(sights) or not found:
        return None
    logarithms = [math.log(max(value, _LEAST_SHARPNESS)) for value in found]
    mean = math.exp(statistics.fmean(logarithms))
    return Sharpness(mean=round(mean, 6), spread=round(statistics.pstdev(logarithms), 4))


def _three(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Levels:
    red, green, blue = values.tolist()
    return red, green, blue
