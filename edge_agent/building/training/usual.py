"""How far from the bank is usual at each place of the picture?

Print whose digits change and an edge that never lies twice alike are far from everything that was seen on good parts
before; a plain surface never is. What good parts' patches differ by there is taken off, so that a small defect of the
surface is not lost behind the digits. How much of it comes from the place and how much from the whole picture, the data
decide: where parts lie differently in each picture every place is alike, and what one half of the pictures says of a
place the other does not.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from edge_agent.building.training.features import F32

_AROUND = (3, 3)  # places that are looked at together
_MOST_SPREAD = 0.7  # of a place's own spread at the most: it is known less well than the middle
_LEAST_PICTURES = 4  # of which two halves can be compared
_UNKNOWN = 0.5  # how reliable a place is believed to be with fewer
_LEAST = 1e-6  # of the middle, where good parts do not differ at all


class Usual(NamedTuple):
    """Of good parts' distances [positions]: their middle, and by how much they differ."""

    middle: F32
    spread: F32

    def __call__(self, found: F32) -> F32:
        """Bring distances [pictures, positions] to deviations from what is usual at their place."""
        return np.asarray((found - self.middle) / self.spread, np.float32)


def usual_distances(found: F32, grid: tuple[int, int]) -> Usual:
    """Describe good parts' distances [pictures, positions], each from a bank that had not seen the picture.

    `grid` is rows and columns of the positions.
    """
    middle, spread = _middle_and_spread(found, grid)
    sure_of_middle = sure_of_spread = _UNKNOWN
    if len(found) >= _LEAST_PICTURES:
        halves = [_middle_and_spread(found[start::2], grid) for start in (0, 1)]
        sure_of_middle, sure_of_spread = (_reliability(one, other) for one, other in zip(*halves, strict=True))
    sure_of_spread *= _MOST_SPREAD
    least = _LEAST * max(float(middle.mean()), 1.0)
    blended = sure_of_spread * spread + (1 - sure_of_spread) * spread.mean()
    return Usual(
        np.asarray(sure_of_middle * middle + (1 - sure_of_middle) * middle.mean(), np.float32),
        np.asarray(np.maximum(blended, least), np.float32),
    )


def _middle_and_spread(found: F32, grid: tuple[int, int]) -> tuple[F32, F32]:
    middle = _smooth(found.mean(axis=0), grid)
    return middle, np.sqrt(_smooth(((found - middle) ** 2).mean(axis=0), grid))


def _reliability(one: F32, other: F32) -> float:
    """Say how well all pictures tell places apart, 0 to 1, from what two halves say (Spearman and Brown)."""
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    shared = float((one * other).sum()) / scale if scale > 0 else 0.0
    return 2 * shared / (1 + shared) if shared > 0 else 0.0


def _smooth(values: F32, grid: tuple[int, int]) -> F32:
    """Average each place with those beside it, at the edge with those that there are."""
    plane = values.reshape(grid).astype(np.float32)
    total = cv2.boxFilter(plane, -1, _AROUND, normalize=False, borderType=cv2.BORDER_CONSTANT)
    count = cv2.boxFilter(np.ones_like(plane), -1, _AROUND, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(total / count, np.float32).ravel()
