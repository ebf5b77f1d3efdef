"""How far from the bank is usual at each place of the picture?

Print whose digits change and an edge that never lies twice alike are far from everything that was seen on good parts
before; a plain surface never is. What good parts' patches differ by there is taken off, so that a small defect of the
surface is not lost behind the digits. Half of it comes from the whole picture: with few pictures each place is known
poorly, and where parts lie differently every place is alike.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from edge_agent.building.training.features import F32

_AROUND = (3, 3)  # places that are looked at together
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
    middle = _smooth(found.mean(axis=0), grid)
    spread = np.sqrt(_smooth(((found - middle) ** 2).mean(axis=0), grid))
    least = _LEAST * max(float(middle.mean()), 1.0)
    return Usual((middle + middle.mean()) / 2, np.maximum(spread + spread.mean(), least))


def _smooth(values: F32, grid: tuple[int, int]) -> F32:
    """Average each place with those beside it, at the edge with those that there are."""
    plane = values.reshape(grid).astype(np.float32)
    total = cv2.boxFilter(plane, -1, _AROUND, normalize=False, borderType=cv2.BORDER_CONSTANT)
    count = cv2.boxFilter(np.ones_like(plane), -1, _AROUND, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(total / count, np.float32).ravel()
