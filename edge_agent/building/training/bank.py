"""How far is a place from everything that was seen on good parts? A memory bank of their patches, thinned to a coreset.

K. Roth et al., "Towards Total Recall in Industrial Anomaly Detection", https://arxiv.org/abs/2106.08265.
"""

from __future__ import annotations

import numpy as np

from edge_agent.building.training.features import F32

_SHARE = 0.1  # of the patches of good parts that are kept
_MOST = 1024  # of them, which bounds the time of an inspection whatever the number of pictures
_MOST_CANDIDATES = 40_000  # so that a thousand pictures can be learned from in minutes
_PROJECTED = 32  # dimensions in which the coreset is chosen
#: the score of a picture is the mean over this share of its patches, the worst ones
WORST_SHARE = 0.01


def choose_bank(patches: F32, *, seed: int) -> F32:
    """Keep patches that cover all of `patches` [n, channels]: each next one is the furthest from those kept."""
    rng = np.random.default_rng(seed)
    if len(patches) > _MOST_CANDIDATES:
        patches = patches[np.sort(rng.choice(len(patches), _MOST_CANDIDATES, replace=False))]
    count = max(1, min(_MOST, round(len(patches) * _SHARE)))
    projection = rng.normal(size=(patches.shape[1], _PROJECTED)).astype(np.float32)
    points = patches @ projection
    lengths = np.einsum("ij,ij->i", points, points)
    kept = [int(rng.integers(len(points)))]
    nearest = np.full(len(points), np.inf, np.float32)
    for _ in range(count - 1):
        last = points[kept[-1]]
        np.minimum(nearest, lengths - 2 * (points @ last) + lengths[kept[-1]], out=nearest)
        kept.append(int(nearest.argmax()))
    return np.asarray(patches[np.sort(kept)], np.float32)


def distances(patches: F32, bank: F32) -> F32:
    """Give the distance of each patch [pictures, positions, channels] to the nearest in the bank: [pictures,
    positions]."""
    squares = (bank**2).sum(axis=1)
    found = np.empty(patches.shape[:2], np.float32)
    for row, picture in zip(found, patches, strict=True):
        nearest = (squares - 2 * (picture @ bank.T)).min(axis=1)
        np.sqrt(np.maximum(nearest + (picture**2).sum(axis=1), 0), out=row)
    return found


def worst_count(positions: int) -> int:
    """Return how many of a picture's patches make its score."""
    return max(1, round(positions * WORST_SHARE))


def picture_scores(found: F32) -> F32:
    """Score pictures by their patches' distances [pictures, positions]: the mean of the worst."""
    count = worst_count(found.shape[1])
    return np.asarray(np.partition(found, -count, axis=1)[:, -count:].mean(axis=1), np.float32)
