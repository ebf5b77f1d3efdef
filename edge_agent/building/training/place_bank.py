"""How far is a place from what good parts show at just this place?

Where parts lie alike in every picture, a place is compared with the same place of good parts alone, as finely as the
backbone sees (stride 8, and what stride 16 knows of its surroundings): a letter where another belongs is nothing new to
a bank of all places, and a defect of a few pixels is lost in a place of stride 16. Each place has few neighbours, so
that it costs less than a bank of all places.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.training.bank import Whitening, choose_whitening
from edge_agent.building.training.features import F32, FINER, Features

F16 = npt.NDArray[np.float16]

_DIMENSIONS = 152  # of the half-whitened features, those in which good parts differ most
_MOST = 16  # good parts that are remembered, which bounds the time of an inspection
_MOST_VALUES = 13_000_000  # that are remembered, which bounds the size of a model: two bytes each
_AT_ONCE = 16  # pictures, which bounds the memory
_ASKED_PLACES, _EVERY = 150, 3  # of every third good part, to find out whether parts lie alike


class View(NamedTuple):
    """What a place of `fine` looks like: half-whitened channels of its own and of what stride 16 knows around it."""

    whitening: Whitening

    def __call__(self, features: Features) -> F32:
        """Bring pictures to [pictures, 4 * positions, 152]."""
        matrix, bias, _ = self.whitening
        channels = features.fine.shape[2]
        around = features.sharp[..., channels:] @ matrix[channels:] + bias
        rows, columns = features.grid
        finer = around.reshape(len(around), rows, 1, columns, 1, -1).repeat(FINER, axis=2).repeat(FINER, axis=4)
        seen = features.fine @ matrix[:channels]
        seen += finer.reshape(seen.shape)
        return np.asarray(seen, np.float32)


class PlaceBank(NamedTuple):
    """What good parts show at each place: [4 * positions, 152, good parts]."""

    view: View
    bank: F16

    def __call__(self, features: Features) -> F32:
        """Give the distance of each place to the nearest good part's: [pictures, 4 * positions]."""
        found = np.empty(features.fine.shape[:2], np.float32)
        bank = self.bank.astype(np.float32)
        lengths = (bank**2).sum(axis=1)[:, None, :]
        for first in range(0, len(found), _AT_ONCE):
            asked = self.view(features.of(slice(first, first + _AT_ONCE))).transpose(1, 0, 2)
            # |a - b|^2 = |a|^2 + |b|^2 - 2 a b
            nearest = (lengths - 2 * (asked @ bank)).min(axis=2) + (asked**2).sum(axis=2)
            found[first : first + _AT_ONCE] = np.sqrt(np.maximum(nearest, 0)).T
        return found


def choose_view(features: Features, good: npt.NDArray[np.bool_], *, seed: int) -> View:
    """Choose how places are looked at: as half-whitened features of `good` parts."""
    some = features.of(_choose(good, _MOST, seed))
    width = max(some.sharp.shape[2], some.fine.shape[2])
    as_they_are = Whitening(np.eye(width, dtype=np.float32), np.zeros(width, np.float32), np.ones(width, np.float32))
    return View(choose_whitening(View(as_they_are)(some).reshape(-1, width)))


def remember_places(features: Features, good: npt.NDArray[np.bool_], view: View, *, seed: int) -> PlaceBank:
    """Keep what `good` parts show at each place."""
    most = max(1, min(_MOST, _MOST_VALUES // (features.fine.shape[1] * len(view.whitening.bias))))
    shown = view(features.of(_choose(good, most, seed)))
    return PlaceBank(view, np.ascontiguousarray(shown.transpose(1, 2, 0), np.float16))


def held_out_distances(
    features: Features,
    view: View,
    anomalous: npt.NDArray[np.bool_],
    fold: npt.NDArray[np.int64],
    count: int,
    *,
    seed: int,
) -> F32:
    """Give each picture's distances to the good parts of the other folds; where there are none, to all."""
    found = np.zeros(features.fine.shape[:2], np.float32)
    for number in range(count):
        held, kept = fold == number, ~anomalous & (fold != number)
        if held.any():
            good = kept if kept.any() else ~anomalous
            found[held] = remember_places(features, good, view, seed=seed)(features.of(held))
    return found


def straying(features: Features, good: npt.NDArray[np.bool_], view: View, *, seed: int) -> float:
    """Tell how many times as far the same place of other `good` parts is as the nearest of all their places.

    1 where parts lie alike: what a place shows is found at the same place. More where they turn or shift.
    """
    chosen = _choose(good, _MOST, seed)
    if len(chosen) < 2:
        return 1.0
    shown = view(features.of(chosen))
    count, positions, _ = shown.shape
    places = np.random.default_rng(seed).choice(positions, min(_ASKED_PLACES, positions), replace=False)
    same, nearest = [], []
    for number in range(0, count, _EVERY):
        others = np.delete(shown, number, axis=0)
        asked = shown[number, places]
        same.append(np.sqrt(((others[:, places] - asked) ** 2).sum(axis=2)).min(axis=0))
        all_places = others.reshape(-1, others.shape[2])
        squares = (asked**2).sum(axis=1)[:, None] + (all_places**2).sum(axis=1) - 2 * asked @ all_places.T
        nearest.append(np.sqrt(np.maximum(squares.min(axis=1), 0)))
    return float(np.mean(same) / max(float(np.mean(nearest)), 1e-6))


def _choose(good: npt.NDArray[np.bool_], most: int, seed: int) -> npt.NDArray[np.intp]:
    """Choose good parts before their features are copied: those of a thousand pictures are most of a gigabyte."""
    found = np.flatnonzero(good)
    if len(found) <= most:
        return found
    return found[np.sort(np.random.default_rng(seed).choice(len(found), most, replace=False))]
