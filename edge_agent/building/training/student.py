"""Student's distribution for whole degrees of freedom: finite sums (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def share_below(values: F64, freedom: int) -> F64:
    """Give the share of Student's distribution with `freedom` degrees, 1 at least, that lies below each value."""
    angle = np.arctan(values / np.sqrt(freedom))
    square = np.cos(angle) ** 2
    odd = freedom % 2
    term = np.cos(angle) if odd else np.ones_like(angle)
    total = np.zeros_like(angle)
    for number in range(freedom // 2):
        total += term
        step = 2 * number + 1 + odd
        term = term * square * (step / (step + 1))
    inside = 2 / np.pi * (angle + np.sin(angle) * total) if odd else np.sin(angle) * total
    return np.asarray((1 + inside) / 2, np.float64)
