"""How far is a place from everything that was seen on good parts? A memory bank of their patches, thinned to a coreset.

K. Roth et al., "Towards Total Recall in Industrial Anomaly Detection", https://arxiv.org/abs/2106.08265.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.training.features import F32

F64 = npt.NDArray[np.float64]

_SHARE = 0.1  # of the patches of good parts that are kept
_MOST = 1024  # of them, which bounds the time of an inspection whatever the number of pictures
_MOST_CANDIDATES = 40_000  # so that a thousand pictures can be learned from in minutes
_PROJECTED = 32  # dimensions in which the coreset is chosen
#: points that a product is taken with: BLAS multiplies a few rows with many columns far slower, and with 1024, whose
#: rows lie just a page apart and displace each other in the cache, a third slower
_BLOCK = 704
#: of how far good parts' patches differ from their mean: a step to the next place counts as much
_PLACE_SHARE = 0.3
_WHITENED = 0.25  # of a direction's variance: its deviation becomes its own square root
_LEAST_VARIANCE = 1e-4  # of the largest, below which a direction is taken for rounding
#: the score of a picture is the mean over this share of its patches, the worst ones, and over so many at the most: a
#: small defect is not larger where an input of more pixels has more patches
_WORST_SHARE, _MOST_WORST = 0.01, 4
#: patches of an input from which on it is taken for the larger one, which is for the sake of small defects, each of
#: which is in one: the usual one has about 400, the larger one 1300 and more
_LARGER = 1200


def choose_bank(patches: F32, *, seed: int) -> F32:
    """Keep patches that cover all of `patches` [n, channels]: each next one is the furthest from those kept."""
    return choose_banks(patches, np.zeros(len(patches), np.int64), 0, seed=seed)[0]


def choose_banks(patches: F32, fold: npt.NDArray[np.int64], folds: int, *, seed: int) -> list[F32]:
    """Choose a bank without each of the folds, and one of all patches, which is the last.

    All are chosen together: a product of a few points with all others takes hardly longer than one with a single point.

    Args:
        patches: [n, channels].
        fold: of each patch, 0..folds-1.
        folds: how many there are. One that has all of the patches is not left out.
        seed: of the projection and the first patch.
    """
    rng = np.random.default_rng(seed)
    if len(patches) > _MOST_CANDIDATES:
        chosen = np.sort(rng.choice(len(patches), _MOST_CANDIDATES, replace=False))
        patches, fold = patches[chosen], fold[chosen]
    projection = rng.normal(size=(patches.shape[1], _PROJECTED)).astype(np.float32)
    points = patches @ projection
    lengths = np.einsum("ij,ij->i", points, points)
    # One product gives squares of distances: |a - b|^2 = |b|^2 - 2 a b + |a|^2.
    ones = np.ones_like(lengths)
    others = _in_blocks(np.column_stack([points, lengths, ones]).T, 0.0)
    asked = np.column_stack([-2 * points, ones, lengths])
    nearest = np.full((folds + 1, len(points)), np.inf, np.float32)
    for number in range(folds):
        if (fold != number).any():
            nearest[number, fold == number] = -np.inf  # never the furthest
    allowed = [np.flatnonzero(row > 0) for row in nearest]
    counts = [max(1, min(_MOST, round(len(places) * _SHARE))) for places in allowed]
    last = np.array([places[rng.integers(len(places))] for places in allowed])
    kept = [last]
    nearest = _in_blocks(nearest, -np.inf)
    squares = np.empty_like(nearest)  # once: memory of this size comes from the kernel, page by page, each time
    each = np.arange(len(last))
    for _ in range(max(counts) - 1):
        np.matmul(asked[last], others, out=squares)
        np.minimum(nearest, squares, out=nearest)
        furthest = nearest.max(axis=2)
        block = furthest.argmax(axis=0)
        last = block * _BLOCK + nearest[block, each].argmax(axis=1)
        kept.append(last)
    return [
        np.asarray(patches[np.sort(row[:count])], np.float32)
        for row, count in zip(np.array(kept).T, counts, strict=True)
    ]


def _in_blocks(values: F32, nothing: float) -> F32:
    """Divide [rows, points] into [blocks, rows, _BLOCK]; `nothing` where there is no point."""
    count = -(-values.shape[1] // _BLOCK)
    found = np.full((len(values), count * _BLOCK), nothing, np.float32)
    found[:, : values.shape[1]] = values
    return np.ascontiguousarray(found.reshape(len(values), count, _BLOCK).transpose(1, 0, 2))


def places(rows: int, columns: int, weight: float) -> F32:
    """Tell where each patch is, its row and column times `weight`: [rows * columns, 2]."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    return np.asarray(np.stack([y.ravel(), x.ravel()], axis=1) * weight, np.float32)


def with_places(patches: F32, rows: int, columns: int, weight: float) -> F32:
    """Append their places to patches [pictures, rows * columns, channels]."""
    where = np.broadcast_to(places(rows, columns, weight), (*patches.shape[:-1], 2))
    return np.concatenate([patches, where], axis=-1)


def place_weight(patches: F32) -> float:
    """Weigh a step to the next place against what patches [n, channels] of good parts differ by."""
    return float(_PLACE_SHARE * patches.std(axis=0).mean() * np.sqrt(patches.shape[1]))


class Whitening(NamedTuple):
    """Brings patches [..., channels] to where directions in which good parts hardly differ count for more."""

    matrix: F32
    bias: F32
    #: of good parts' patches [channels], when they are whitened by half
    deviation: F32

    def __call__(self, patches: F32) -> F32:
        return np.asarray(patches @ self.matrix + self.bias, np.float32)


def choose_whitening(patches: F32) -> Whitening:
    """Half of a whitening of good parts' patches [n, channels]: a full one drowns what differs in what hardly does."""
    mean = patches.mean(axis=0, dtype=np.float64)
    centred = patches - mean.astype(np.float32)
    return half_whitening(mean, (centred.T @ centred).astype(np.float64) / len(patches))


def half_whitening(mean: F64, covariance: F64) -> Whitening:
    """Half of a whitening of patches with this mean [channels] and covariance."""
    variance, directions = np.linalg.eigh(covariance)
    largest = max(float(variance.max()), 1e-12)
    deviation = np.maximum(variance, _LEAST_VARIANCE * largest) ** _WHITENED
    matrix = directions / deviation
    bias = -mean @ matrix
    return Whitening(matrix.astype(np.float32), bias.astype(np.float32), deviation.astype(np.float32))


def distances(patches: F32, bank: F32) -> F32:
    """Give the distance of each patch [pictures, positions, channels] to the nearest in the bank: [pictures,
    positions]."""
    squares, minus_twice = (bank**2).sum(axis=1), -2 * bank.T
    found = np.empty(patches.shape[:2], np.float32)
    for row, picture in zip(found, patches, strict=True):
        # In place: memory of this size comes from the kernel, page by page, each time.
        products = picture @ minus_twice
        products += squares
        np.sqrt(np.maximum(products.min(axis=1) + (picture**2).sum(axis=1), 0), out=row)
    return found


def is_larger(positions: int) -> bool:
    """Tell by a picture's patches whether the input is the larger one, or given and as large."""
    return positions >= _LARGER


def worst_count(positions: int) -> int:
    """Return how many of a picture's patches make its score."""
    return 1 if is_larger(positions) else max(1, min(_MOST_WORST, round(positions * _WORST_SHARE)))


def picture_scores(found: F32, count: int | None = None) -> F32:
    """Score pictures by their patches' distances [pictures, positions]: the mean of the worst `count`, as many as is
    usual without it."""
    worst = count or worst_count(found.shape[1])
    return np.asarray(np.partition(found, -worst, axis=1)[:, -worst:].mean(axis=1), np.float32)
