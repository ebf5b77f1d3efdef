"""How far is a place from what good parts show at just this place?

Where parts lie alike in every picture, a place is compared with the same place of good parts alone, as finely as the
backbone sees (stride 8, and what stride 16 knows of its surroundings): a letter where another belongs is nothing new to
a bank of all places, and a defect of a few pixels is lost in a place of stride 16. Each place has few neighbours, so
that it costs less than a bank of all places. It is compared a second time, by the most and the least of stride 4 in it:
a defect of a pixel or two of the input is hardly there for stride 8, and good parts' edges, which lie a little
differently, are a good deal for stride 4 alone. Both together know best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.training.bank import F64, Whitening, half_whitening
from edge_agent.building.training.cores import side_by_side
from edge_agent.building.training.drawn import chosen_evenly
from edge_agent.building.training.features import F32, FINER, STRIDE_8_CHANNELS, Features, join
from edge_agent.building.training.half_precision import F16, from_half, in_half_precision, to_half
from edge_agent.inference.imaging.resize import U8

_MOST = 16  # good parts that are remembered, which bounds the time of an inspection
_MOST_VALUES = 22_400_000  # that are remembered, which bounds the size of a model: two bytes each
#: pixels of the input by which good parts are moved, and how many of them
MOVED_BY, _MOST_MOVED = 2, 20
_MOVES = ((MOVED_BY, 0), (-MOVED_BY, 0), (0, MOVED_BY), (0, -MOVED_BY))  # down and right
COPIES = len(_MOVES)  # of each part that is moved
_ASKED_PLACES, _EVERY = 150, 3  # of every third good part, to find out whether parts lie alike


class View(NamedTuple):
    """What a place of `fine` looks like: half-whitened channels of stride 8 and of what stride 16 knows around it, and
    those of stride 4.

    What is half-whitened is turned so that stride 8 has a part in the first dimensions only, as many as it has
    channels: the others are the same for all fine places of a coarse one. That changes no distance.
    """

    #: of stride 8 [40, 40], and of stride 16 [112, 152], to which a bias [152] is added
    own: F32
    around: F32
    bias: F32
    finest: Whitening

    def __call__(self, features: Features) -> F32:
        """Bring pictures to [pictures, 4 * positions, 152], of strides 8 and 16."""
        around = _by_coarse_place(features.sharp[..., STRIDE_8_CHANNELS:] @ self.around + self.bias, features.grid, 1)
        own = _by_coarse_place(features.fine[..., :STRIDE_8_CHANNELS] @ self.own, features.grid, FINER)
        seen = np.empty((*own.shape[:-1], len(self.bias)), np.float32)
        count = len(self.own)
        np.add(own, around[..., :count], out=seen[..., :count])
        seen[..., count:] = around[..., count:]
        return seen.reshape(*features.fine.shape[:2], -1)

    def see_finest(self, features: Features) -> F32:
        """Bring pictures to [pictures, 4 * positions, 48], of stride 4."""
        return self.finest(features.fine[..., STRIDE_8_CHANNELS:])


class Distances(NamedTuple):
    """Of places to the nearest of good parts' there [pictures, 4 * positions]: of strides 8 and 16, and of 4."""

    fine: F32
    finest: F32


class Moved(NamedTuple):
    """Copies of good parts that lie a little elsewhere: what they look like, and which picture each is a copy of."""

    features: Features
    owner: npt.NDArray[np.intp]
    #: which of `features` each is, where it is not all of them: there are many, and they are taken row by row
    taken: npt.NDArray[np.intp] | None = None

    @classmethod
    def join(cls, parts: Iterable[Features], moved: npt.NDArray[np.intp]) -> Moved | None:
        """Put `lean` copies of the pictures `moved` together, all that `move` gives of each; None without any."""
        found = list(parts)
        return cls(join(found), np.repeat(moved, COPIES)) if found else None

    @property
    def half(self) -> Moved | None:
        """The copies that were moved of the pictures at half the size; None where these are not looked at."""
        return self.features.half and self._replace(features=self.features.half)

    def beside(self, half: Moved | None) -> Moved:
        """Add the same copies of the pictures at half the size."""
        return self._replace(features=self.features._replace(half=half and half.features))

    def of(self, chosen: npt.NDArray[np.bool_]) -> Moved | None:
        """Take the copies of some of the pictures, by their new numbers; None where there are none."""
        taken = chosen[self.owner]
        if not taken.any():
            return None
        places = np.flatnonzero(taken) if self.taken is None else self.taken[taken]
        return Moved(self.features, (np.cumsum(chosen) - 1)[self.owner[taken]], places)

    def row(self, number: int) -> Features:
        """Take a row of positions of all copies."""
        row = self.features.row(number)
        return row if self.taken is None else row.of(self.taken)


def lean(part: Features) -> Features:
    """Leave out what places are not compared by: there are many copies."""
    return lean_features(part.sharp, part.fine, part.grid)._replace(half=part.half and lean(part.half))


def lean_features(sharp: F32, fine: F32, grid: tuple[int, int]) -> Features:
    """Make features of what places are compared by alone."""
    none = np.zeros((len(fine), 0), np.float32)
    return Features(none[:, :, None], sharp, fine, none, grid)


def move(picture: U8) -> list[U8]:
    """Give a picture a little further up, down, left and right; what comes in at the side is what was at the side."""
    wider = surround(picture)
    height, width = picture.shape[:2]
    return [
        np.ascontiguousarray(
            wider[MOVED_BY - down : MOVED_BY - down + height, MOVED_BY - right : MOVED_BY - right + width]
        )
        for down, right in _MOVES
    ]


def surround(picture: U8) -> U8:
    """Give a picture that goes on at each side as far as copies are moved."""
    return np.pad(picture, ((MOVED_BY, MOVED_BY), (MOVED_BY, MOVED_BY), (0, 0)), mode="edge")


def chosen_to_move(good: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Choose the `good` parts of which there are to be moved copies, evenly among all."""
    return chosen_evenly(good, _MOST_MOVED)


class PlaceBank(NamedTuple):
    """What good parts show at each place: [4 * positions, 152, good parts], and [4 * positions, 48, good parts] of the
    same ones."""

    view: View
    bank: F16
    finest: F16

    def __call__(self, features: Features) -> Distances:
        """Give the distance of each place to the nearest good part's."""
        found = Distances(*(np.empty(features.fine.shape[:2], np.float32) for _ in range(2)))
        per_row = features.fine.shape[1] // features.grid[0]
        # A row of coarse places at a time: what is calculated of it stays in the processor's cache.
        for row in range(features.grid[0]):
            here, asked = slice(row * per_row, (row + 1) * per_row), features.row(row)
            found.fine[:, here] = _nearest(self.view(asked), self.bank[here])
            found.finest[:, here] = _nearest(self.view.see_finest(asked), self.finest[here])
        return found


def _nearest(asked: F32, bank: F16) -> F32:
    """Give the distance of places [pictures, places, channels] to the nearest in their part of a bank."""
    asked, known = asked.transpose(1, 0, 2), from_half(bank)
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a b
    nearest = asked @ known
    nearest *= -2
    nearest += np.einsum("pcg,pcg->pg", known, known)[:, None]
    squares = nearest.min(axis=2) + np.einsum("pnc,pnc->pn", asked, asked)
    return np.asarray(np.sqrt(np.maximum(squares, 0)).T)


def choose_view(features: Features, good: npt.NDArray[np.bool_], *, seed: int) -> View:
    """Choose how places are looked at: as half-whitened features of `good` parts."""
    chosen = _choose(good, _MOST, seed).tolist()

    def take(number: int) -> tuple[F32, F32, F32]:
        fine, sharp = features.fine[number], features.sharp[number]
        return fine[:, :STRIDE_8_CHANNELS], sharp[:, STRIDE_8_CHANNELS:], fine[:, STRIDE_8_CHANNELS:]

    def average(number: int) -> list[F64]:
        return [of.mean(axis=0, dtype=np.float64) for of in take(number)]

    means: list[F64] = [
        np.mean(of, axis=0) for of in zip(*side_by_side([partial(average, number) for number in chosen]), strict=True)
    ]

    def multiply(number: int) -> tuple[F64, F64]:
        own, around, finest = (of - mean.astype(np.float32) for of, mean in zip(take(number), means, strict=True))
        # A place around is that of several fine ones: it counts as often, and is multiplied once.
        together = _by_coarse_place(own[None], features.grid, FINER).sum(axis=(2, 4)).reshape(len(around), -1)
        across = together.T @ around
        both = np.block([[own.T @ own, across], [across.T, FINER**2 * (around.T @ around)]])
        return both.astype(np.float64), (finest.T @ finest).astype(np.float64)

    count = len(chosen) * features.fine.shape[1]
    both, finest = (
        np.sum(of, axis=0) / count
        for of in zip(*side_by_side([partial(multiply, number) for number in chosen]), strict=True)
    )
    return _turned(half_whitening(np.concatenate(means[:2]), both), half_whitening(means[2], finest))


def _turned(whitening: Whitening, finest: Whitening) -> View:
    """Turn half-whitened channels of stride 8 and around it so that those of stride 8 need as many dimensions only."""
    matrix, bias = whitening.matrix.astype(np.float64), whitening.bias.astype(np.float64)
    turn = np.linalg.qr(matrix[:STRIDE_8_CHANNELS].T, mode="complete").Q
    own, around = np.split((matrix @ turn).astype(np.float32), [STRIDE_8_CHANNELS])
    return View(
        np.ascontiguousarray(own[:, :STRIDE_8_CHANNELS]),
        np.ascontiguousarray(around),
        (bias @ turn).astype(np.float32),
        finest,
    )


def compare_places(
    features: Features,
    view: View,
    anomalous: npt.NDArray[np.bool_],
    fold: npt.NDArray[np.int64],
    count: int,
    *,
    seed: int,
    moved: Moved | None = None,
) -> tuple[Distances, PlaceBank]:
    """Give each picture's distances to the good parts of the other folds, and to their `moved` copies; where there are
    none, to all. Remember, as it is kept of each fold's others, what all good parts and their copies show.

    Which are kept at a place is decided by what strides 8 and 16 show.
    """
    most = _most_remembered(features, view)
    found = Distances(*(np.zeros(features.fine.shape[:2], np.float32) for _ in range(2)))
    chosen = _choose(~anomalous, most, seed)
    is_used = np.zeros(len(fold), bool)
    is_used[chosen] = True
    compared: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.bool_]]] = []
    for number in range(count):
        held, kept = np.flatnonzero(fold == number), ~anomalous & (fold != number)
        if len(held):  # the pictures of a fold, the good parts that they are compared with, and those of the copies
            kept = kept if kept.any() else ~anomalous
            good = _choose(kept, most, seed)
            compared.append((held, good, kept))
            is_used[good] = True
    used = np.flatnonzero(is_used)
    asked = features if compared else features.of(used)
    owner = np.zeros(0, np.intp) if moved is None else moved.owner

    def known(good: npt.NDArray[np.intp], kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        """Number some of what is shown: good parts, and the copies of those that are kept."""
        return np.concatenate([np.searchsorted(used, good), len(used) + np.flatnonzero(kept[owner])])

    all_known = known(chosen, ~anomalous)
    shape = features.fine.shape[1], min(most, len(all_known))
    bank, finest = (
        np.empty((shape[0], dimensions, shape[1]), np.float16) for dimensions in (len(view.bias), len(view.finest.bias))
    )
    per_row = features.fine.shape[1] // features.grid[0]

    def compare(row: int) -> None:
        """Compare a row of coarse places: of all pictures and the good parts of all folds at once, each seen once."""
        here = slice(row * per_row, (row + 1) * per_row)
        rows = asked.row(row), None if moved is None else moved.row(row)
        seen, shown = _see(view.__call__, *rows, used if compared else None)
        apart = _squares(shown, shown) if len(all_known) > most else None
        kept = all_known[None] if apart is None else _spread(apart, all_known, most)
        remembered = [
            _spread(apart, of, most) if apart is not None and len(of) > most else of[None]
            for of in (known(good, others) for _, good, others in compared)
        ]
        held = [of for of, _, _ in compared]
        _remember(bank[here], shown, kept)
        _measure(found.fine[:, here], seen, shown, held, remembered)
        seen, shown = _see(view.see_finest, *rows, used if compared else None)
        _remember(finest[here], shown, kept)
        _measure(found.finest[:, here], seen, shown, held, remembered)

    side_by_side([partial(compare, row) for row in range(features.grid[0])])
    return found, PlaceBank(view, bank, finest)


def _see(
    look: Callable[[Features], F32], asked: Features, moved: Features | None, used: npt.NDArray[np.intp] | None
) -> tuple[F32, F32]:
    """See places of all that is asked for [places, pictures, channels], and, as it is kept, what the `used` ones of
    them (all with None) and the moved copies show."""
    seen = look(asked).transpose(1, 0, 2)
    shown = seen if used is None else seen[:, used]
    if moved is not None:
        shown = np.concatenate([shown, look(moved).transpose(1, 0, 2)], axis=1)
    return seen, in_half_precision(shown)


def _remember(bank: F16, shown: F32, kept: npt.NDArray[np.intp]) -> None:
    """Put those that are kept at each place in a bank."""
    bank[:] = to_half(shown[np.arange(len(shown))[:, None], kept]).transpose(0, 2, 1)


def _measure(
    found: F32,
    seen: F32,
    shown: F32,
    held: Sequence[npt.NDArray[np.intp]],
    remembered: Sequence[npt.NDArray[np.intp]],
) -> None:
    """Put the distances [pictures, places] of each fold's pictures to the nearest of what is remembered for it."""
    if not held:
        return
    squares, places = _squares(seen, shown), np.arange(len(seen))[:, None, None]
    for pictures, of in zip(held, remembered, strict=True):
        nearest = squares[places, pictures[:, None], of[:, None]].min(axis=2)
        found[pictures] = np.sqrt(np.maximum(nearest, 0)).T


def _squares(some: F32, others: F32) -> F32:
    """Give squared distances [places, some, others] of what is seen at places [places, pictures, channels]."""
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a b
    found = some @ others.transpose(0, 2, 1)
    found *= -2
    found += np.einsum("pgc,pgc->pg", others, others)[:, None]
    found += np.einsum("pnc,pnc->pn", some, some)[:, :, None]
    return np.asarray(found, np.float32)


def _spread(apart: F32, known: npt.NDArray[np.intp], most: int) -> npt.NDArray[np.intp]:
    """Choose at each place those of the `known` that cover all best, each the furthest from those before, beginning
    with the first; `apart` are squared distances [places, all, all]."""
    places = np.arange(len(apart))
    kept = np.empty((len(apart), min(most, len(known))), np.intp)
    nearest = np.full(apart.shape[:2], -np.inf, np.float32)  # never the furthest
    nearest[:, known] = np.inf
    last = np.full(len(apart), known[0])
    for number in range(kept.shape[1]):
        kept[:, number] = last
        np.minimum(nearest, apart[places, last], out=nearest)
        last = nearest.argmax(axis=1)
    return kept


def straying(features: Features, good: npt.NDArray[np.bool_], view: View, *, seed: int) -> float:
    """Tell how many times as far the same place of other `good` parts is as the nearest of all their places.

    1 where parts lie alike: what a place shows is found at the same place. More where they turn or shift.
    """
    chosen = _choose(good, _MOST, seed)
    if len(chosen) < 2:
        return 1.0

    def see(number: int) -> F32:
        return np.asarray(view(features.of([number]))[0], np.float32)

    shown = side_by_side([partial(see, number) for number in chosen.tolist()])
    count, positions = len(shown), len(shown[0])
    places = np.random.default_rng(seed).choice(positions, min(_ASKED_PLACES, positions), replace=False)
    asked = np.stack([part[places] for part in shown[::_EVERY]])
    lengths = np.einsum("npc,npc->np", asked, asked)

    def compare(other: int) -> tuple[F32, F32]:
        """Give squared distances of what is asked for to the same place of another part, and to its nearest place."""
        there = shown[other]
        same = ((there[places] - asked) ** 2).sum(axis=2)
        squares, nearest = np.einsum("pc,pc->p", there, there), np.empty_like(lengths)
        for found, part in zip(nearest, asked, strict=True):
            products = part @ there.T
            products *= -2
            products += squares
            np.min(products, axis=1, out=found)
        nearest += lengths
        itself, is_asked = divmod(other, _EVERY)
        if not is_asked:
            same[itself] = nearest[itself] = np.inf
        return same, nearest

    same, nearest = (
        np.sqrt(np.maximum(np.min(found, axis=0), 0)).mean()
        for found in zip(*side_by_side([partial(compare, other) for other in range(count)]), strict=True)
    )
    return float(same / max(float(nearest), 1e-6))


def _most_remembered(features: Features, view: View) -> int:
    """Say how many good parts are remembered at each place."""
    values = features.fine.shape[1] * (len(view.bias) + len(view.finest.bias))
    return int(max(1, min(_MOST, _MOST_VALUES // values)))


def _by_coarse_place(patches: F32, grid: tuple[int, int], finer: int) -> F32:
    """Look at patches [pictures, positions, channels] by the coarse places that they lie in, `finer` a side of each:
    [pictures, rows, finer, columns, finer, channels]."""
    return patches.reshape(len(patches), grid[0], finer, grid[1], finer, -1)


def _choose(good: npt.NDArray[np.bool_], most: int, seed: int) -> npt.NDArray[np.intp]:
    """Choose good parts before their features are copied: those of a thousand pictures are most of a gigabyte."""
    found = np.flatnonzero(good)
    if len(found) <= most:
        return found
    return found[np.sort(np.random.default_rng(seed).choice(len(found), most, replace=False))]
