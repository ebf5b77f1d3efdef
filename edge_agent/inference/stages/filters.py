"""The manifest's resize filters along one side of a picture, as weighted sums of a few pixels.

Each filter is separable: what windows() gives for the rows and for the columns, applied one after the other, is what
inference/imaging/resize.py calculates, before it rounds. Formulas and their types are those of cv::resize in OpenCV's
modules/imgproc/src/resize.cpp, named below, because a pixel that is chosen by rounding must be the same one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.inference.imaging.resize import Filter

Positions = npt.NDArray[np.int64]
Parts = npt.NDArray[np.float32]

_CUBIC = -0.75  # the parameter of Keys' cubic convolution, as interpolateCubic() has it


class Windows(NamedTuple):
    """Pixel i of the target is the sum over j of weights[i, j] * source[indices[i, j]]."""

    #: [target, k], each below the source's size; pixels beyond the edge are the edge's
    indices: Positions
    #: [target, k], rows that sum to 1
    weights: Parts


def windows(kind: Filter, source: int, target: int, *, enlarges: bool = False) -> Windows:
    """Return what each of `target` pixels of a row or column is made of.

    Args:
        kind: the filter.
        source: pixels of the picture's side.
        target: pixels of the input's side.
        enlarges: one of the picture's two sides grows, which makes another filter of `area`, along both.
    """
    if kind == "nearest":
        return _nearest(source, target)
    if kind == "area" and not enlarges and target <= source:
        return _area(source, target)
    scale = 1 / (target / source)  # as OpenCV has it, which is not always source / target
    if kind == "area":
        first, part = _stretched_area(target, scale, target / source)
    else:
        position = ((np.arange(target) + 0.5) * scale - 0.5).astype(np.float32)
        first = np.floor(position).astype(np.int64)
        part = position - first.astype(np.float32)
    if kind == "bicubic":
        return _neighbours(first - 1, _cubic_weights(part), source)
    return _neighbours(first, np.stack([1 - part, part], axis=1), source)


def _nearest(source: int, target: int) -> Windows:
    """Take pixel floor(i * scale), in double precision: resizeNN()."""
    first = np.floor(np.arange(target) * (1 / (target / source))).astype(np.int64)
    return _neighbours(first, np.ones((target, 1), np.float32), source)


def _area(source: int, target: int) -> Windows:
    """Take the mean of the source / target pixels that lie under one, fractions included.

    Calculated in whole numbers, in units of 1 / target of a source pixel. OpenCV's computeResizeAreaTab() leaves out
    fractions below a thousandth of a pixel; the sum here is exact.
    """
    start = np.arange(target) * source
    end = start + source
    first = start // target
    count = int((-(-end // target) - first).max())
    indices = first[:, None] + np.arange(count)
    covered = np.minimum(end[:, None], (indices + 1) * target) - np.maximum(start[:, None], indices * target)
    return _neighbours(first, (np.maximum(covered, 0) / source).astype(np.float32), source)


def _stretched_area(target: int, scale: float, inverse: float) -> tuple[Positions, Parts]:
    """Return the first of two neighbours and the second's weight, as cv::resize blends for INTER_AREA that enlarges.

    Pixels of the source are wide there, and only a target pixel on the boundary of two is a mixture. The part is
    rounded to single precision before its whole number is taken away: one that is nearly 1 becomes 0.
    """
    number = np.arange(target)
    first = np.floor(number * scale).astype(np.int64)
    part = ((number + 1) - (first + 1) * inverse).astype(np.float32)
    return first, np.where(part <= 0, np.float32(0), part - np.floor(part))


def _cubic_weights(part: Parts) -> Parts:
    """Return the weights [n, 4] of the pixels at -1, 0, 1 and 2: interpolateCubic()."""
    a, after = _CUBIC, 1 - part
    before = ((a * (part + 1) - 5 * a) * (part + 1) + 8 * a) * (part + 1) - 4 * a
    here = ((a + 2) * part - (a + 3)) * part**2 + 1
    there = ((a + 2) * after - (a + 3)) * after**2 + 1
    return np.stack([before, here, there, 1 - before - here - there], axis=1)


def _neighbours(first: Positions, weights: Parts, source: int) -> Windows:
    indices = first[:, None] + np.arange(weights.shape[1])
    return Windows(np.clip(indices, 0, source - 1), weights)
