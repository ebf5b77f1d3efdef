"""Does a place look like what was wrong on the anomalies that are known?

Far from good parts is far in any direction; the few anomalies tell which directions matter. The most unusual places of
each of them are remembered, and a place counts by how far it lies out in the direction of one of those, in fully
whitened features: what good parts differ by does not count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.training.features import F32

_PLACES = 2  # of each anomaly that are remembered
_MOST = 64  # anomalies that are remembered, which bounds the time of an inspection
#: a picture's score is the mean of so many of its places, the most alike
ALIKE_PLACES = 4


class Likeness(NamedTuple):
    """directions [channels, n]: a half-whitened patch times one of them is how far it lies out in it."""

    directions: F32

    def __call__(self, whitened: F32) -> npt.NDArray[np.float64]:
        """Score pictures by their half-whitened patches [pictures, positions, channels]."""
        count = min(ALIKE_PLACES, whitened.shape[1])
        found = np.empty(len(whitened))
        for number, picture in enumerate(whitened):
            alike = (picture @ self.directions).max(axis=1)
            found[number] = np.partition(alike, -count)[-count:].mean()
        return found


def remember_anomalies(whitened: F32, unusual: F32, deviation: F32) -> Likeness:
    """Remember the most unusual places of anomalies.

    Args:
        whitened: their half-whitened patches [pictures, positions, channels]; one picture at least.
        unusual: how unusual each place is [pictures, positions].
        deviation: of good parts' half-whitened patches [channels].
    """
    chosen = np.unique(np.linspace(0, len(whitened) - 1, min(len(whitened), _MOST)).round().astype(int))
    worst = np.argsort(-unusual[chosen], axis=1, kind="stable")[:, :_PLACES]
    places = np.take_along_axis(whitened[chosen], worst[..., None], axis=1).reshape(-1, whitened.shape[2])
    out = places / deviation
    out = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
    return Likeness(np.ascontiguousarray((out / deviation).T, np.float32))


def likeness_out_of_fold(
    whitened: F32,
    unusual: F32,
    deviation: F32,
    anomalous: npt.NDArray[np.bool_],
    fold: npt.NDArray[np.int64],
    count: int,
) -> npt.NDArray[np.float64]:
    """Score each picture by the anomalies of the other folds; where there are none, as good parts are in the mean."""
    scores = np.full(len(whitened), np.nan)
    for number in range(count):
        held, kept = fold == number, anomalous & (fold != number)
        if held.any() and kept.any():
            scores[held] = remember_anomalies(whitened[kept], unusual[kept], deviation)(whitened[held])
    judged = scores[~anomalous & ~np.isnan(scores)]
    return np.where(np.isnan(scores), judged.mean() if len(judged) else 0.0, scores)
