"""What a bank says of pictures that it was made without."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.training.bank import choose_banks, distances, picture_scores, worst_count
from edge_agent.building.training.features import F32, FINER
from edge_agent.building.training.place_bank import Distances
from edge_agent.building.training.threshold import F64
from edge_agent.building.training.usual import Usual, usual_distances

#: a fine place is a small one: a picture's score is its worst
FINE_WORST = 1
#: what stride 4 counts of how unusual a fine place is; the rest is what strides 8 and 16 say
FINEST_SHARE = 0.4


class Memory(NamedTuple):
    """What is usual of all normal pictures; of each picture, by a bank and by what is usual without it: how unusual
    each place is, its score, and the mean distance of its worst patches."""

    usual: Usual
    unusual: F32
    scores: F64
    distances: F64


class UsualPlaces(NamedTuple):
    """Of good parts' distances at each fine place: what is usual of both."""

    fine: Usual
    finest: Usual

    def __call__(self, found: Distances) -> F32:
        """Bring distances to deviations from what is usual at their place: [pictures, 4 * positions]."""
        return _blend(self.fine(found.fine), self.finest(found.finest))


class PlaceMemory(NamedTuple):
    """What is usual of all normal pictures' fine places; of each picture, by what is usual without it: how unusual each
    place is, and its score."""

    usual: UsualPlaces
    unusual: F32
    scores: F64


def rows(patches: F32) -> F32:
    """Put the patches of all pictures below each other."""
    return patches.reshape(-1, patches.shape[2])


def bank_out_of_fold(
    patches: F32, anomalous: npt.NDArray[np.bool_], fold: npt.NDArray[np.int64], count: int, *, seed: int
) -> tuple[F32, F32]:
    """Choose a bank of all normal pictures; measure each picture's patches [pictures, positions, channels] by one
    without its fold."""
    good = patches[~anomalous]
    banks = choose_banks(rows(good), np.repeat(fold[~anomalous], good.shape[1]), count, seed=seed)
    found = np.zeros(patches.shape[:2], np.float32)
    for number in range(count):
        held = fold == number
        if held.any():
            found[held] = distances(patches[held], banks[number])
    return banks[-1], found


def describe_usual(
    found: F32,
    grid: tuple[int, int],
    anomalous: npt.NDArray[np.bool_],
    fold: npt.NDArray[np.int64],
    count: int,
    worst: int | None = None,
) -> Memory:
    """Describe what is usual of distances [pictures, positions], each by a bank that had not seen the picture; a
    picture's score is the mean of its `worst` places, as many as is usual without it."""
    unusual = np.zeros_like(found)
    for number in range(count):
        held, kept = fold == number, ~anomalous & (fold != number)
        unusual[held] = usual_distances(found[kept if kept.any() else ~anomalous], grid)(found[held])
    of = worst or worst_count(found.shape[1])
    return Memory(
        usual=usual_distances(found[~anomalous], grid),
        unusual=unusual,
        scores=picture_scores(unusual, of).astype(np.float64),
        distances=picture_scores(found, of).astype(np.float64),
    )


def describe_places(
    found: Distances, grid: tuple[int, int], anomalous: npt.NDArray[np.bool_], fold: npt.NDArray[np.int64], count: int
) -> PlaceMemory:
    """Describe what is usual of distances of fine places, each to good parts without the picture."""
    fine, finest = (describe_usual(of, grid, anomalous, fold, count, FINE_WORST) for of in found)
    unusual = _blend(fine.unusual, finest.unusual)
    scores = picture_scores(unusual, FINE_WORST).astype(np.float64)
    return PlaceMemory(UsualPlaces(fine.usual, finest.usual), unusual, scores)


def add_half(whole: PlaceMemory, half: PlaceMemory, grid: tuple[int, int]) -> PlaceMemory:
    """Describe fine places by what is known of them at the size of the input and at half of it, whose `grid` is given;
    `usual` stays that of the whole."""
    unusual = join_places(whole.unusual, half.unusual, grid)
    return PlaceMemory(whole.usual, unusual, picture_scores(unusual, FINE_WORST).astype(np.float64))


def join_places(whole: F32, half: F32, grid: tuple[int, int]) -> F32:
    """Give the mean of how unusual a fine place is [pictures, 4 * places of half] and the place of half the size that
    it lies in [pictures, places], rows and columns of which are the `grid`."""
    shape = len(whole), grid[0], 2, grid[1], 2
    found = whole.reshape(shape) + half.reshape(len(half), grid[0], 1, grid[1], 1)
    found /= 2
    return np.asarray(found.reshape(whole.shape), np.float32)


def most_within(fine: F32, grid: tuple[int, int]) -> F32:
    """Give how unusual the most unusual fine place [pictures, 4 * positions] of each coarse one is: [pictures,
    positions], rows and columns of which are the `grid`."""
    found = fine.reshape(len(fine), grid[0], FINER, grid[1], FINER).max(axis=(2, 4))
    return np.asarray(found.reshape(len(fine), -1), np.float32)


def _blend(fine: F32, finest: F32) -> F32:
    found = fine * np.float32(1 - FINEST_SHARE)
    found += np.float32(FINEST_SHARE) * finest
    return np.asarray(found, np.float32)
