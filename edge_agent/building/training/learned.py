"""What is learned of pictures of one size: what the banks remember, and what each score says of held-out pictures."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.counting import Progress, count_up
from edge_agent.building.training.bank import (
    Whitening,
    choose_whitening,
    picture_scores,
    place_weight,
    with_places,
)
from edge_agent.building.training.cores import meanwhile, side_by_side
from edge_agent.building.training.features import F32, Features
from edge_agent.building.training.likeness import Likeness, likeness_out_of_fold, remember_anomalies
from edge_agent.building.training.memory import (
    Memory,
    PlaceMemory,
    UsualPlaces,
    add_half,
    bank_out_of_fold,
    describe_places,
    describe_usual,
    most_within,
    rows,
)
from edge_agent.building.training.place_bank import Moved, PlaceBank, View, choose_view, compare_places
from edge_agent.building.training.regression import fit_logistic
from edge_agent.building.training.threshold import F64

_STRENGTH = 300.0  # of the regression's fit, divided by the number of features


class Regression(NamedTuple):
    """weights [pooled channels] and bias of a linear score."""

    weights: F32
    bias: float

    def __call__(self, pooled: F32) -> F64:
        return np.asarray(pooled @ self.weights + self.bias, np.float64)


class HalfPlaces(NamedTuple):
    """What good parts show at each fine place of pictures at half the size, and what is usual there."""

    places: PlaceBank
    usual: UsualPlaces

    def __call__(self, features: Features) -> F32:
        """Say how unusual each place is: [pictures, 4 * positions]."""
        return self.usual(self.places(features))


class Learned(NamedTuple):
    """What the banks remember of good parts, and what each score says of a picture by what was learned without it."""

    #: rows and columns of the coarse places
    grid: tuple[int, int]
    whitening: Whitening
    #: of whitened sharp patches
    bank: F32
    plain: Memory
    #: what a step to the next place counts
    step: float
    placed_bank: F32
    placed: Memory
    places: PlaceBank
    fine: PlaceMemory
    half: HalfPlaces | None
    #: what both sizes say of places; None where there is one
    both: PlaceMemory | None
    #: fitted on all pictures, as likeness is; None without anomalies
    regression: Regression | None
    regression_out: F64
    likeness: Likeness | None
    alike_out: F64

    @property
    def scores(self) -> tuple[F64, ...]:
        """Scores of all pictures: of the three banks, the regression, and likeness."""
        return self.plain.scores, self.placed.scores, self.seen.scores, self.regression_out, self.alike_out

    @property
    def seen(self) -> PlaceMemory:
        """What is known of fine places, of both sizes where there are two."""
        return self.both or self.fine

    def beside_fine(self, share: float) -> Learned:
        """The same with `share` of how unusual fine places are added to what the first two banks say of a place."""
        added = share * most_within(self.seen.unusual, self.grid)
        plain, placed = (
            bank._replace(scores=picture_scores(bank.unusual + added).astype(np.float64))
            for bank in (self.plain, self.placed)
        )
        return self._replace(plain=plain, placed=placed)

    @property
    def of_one_size(self) -> Learned:
        """The same without what is known of the pictures at half the size."""
        return self._replace(half=None, both=None)


def learn(
    features: Features,
    anomalous: npt.NDArray[np.bool_],
    fold: npt.NDArray[np.int64],
    count: int,
    *,
    seed: int,
    moved: Moved | None,
    progress: Progress,
) -> Learned:
    """Learn of pictures, of half the size too where they have been looked at in both; each is held out with its `fold`,
    of which there are `count`. `progress` is told how many are done of the banks of all places, and those of each place
    and size."""
    one_more = count_up(progress, 3 if features.half else 2)

    def look(features: Features) -> View:
        return choose_view(features, ~anomalous, seed=seed)

    def remember(patches: F32) -> tuple[F32, Memory]:
        bank, found = bank_out_of_fold(patches, anomalous, fold, count, seed=seed)
        return bank, describe_usual(found, features.grid, anomalous, fold, count)

    def remember_places(features: Features, view: View, moved: Moved | None) -> tuple[PlaceBank, PlaceMemory]:
        found, places = compare_places(features, view, anomalous, fold, count, seed=seed, moved=moved)
        memory = describe_places(found, features.fine_grid, anomalous, fold, count)
        one_more()
        return places, memory

    with meanwhile(partial(look, features)) as viewed:
        whitening = choose_whitening(rows(features.sharp[~anomalous]))
        whitened = whitening(features.sharp)
        step = place_weight(rows(features.patches[~anomalous]))
        with_their_places = with_places(features.patches, *features.grid, step)
        (bank, plain), (placed_bank, placed) = side_by_side(
            [partial(remember, whitened), partial(remember, with_their_places)]
        )
        view = viewed()
    one_more()
    places, fine = remember_places(features, view, moved)
    half = both = None
    if features.half:
        half_places, of_half = remember_places(features.half, look(features.half), moved and moved.half)
        half, both = HalfPlaces(half_places, of_half.usual), add_half(fine, of_half, features.half.fine_grid)
    regression = likeness = None
    if anomalous.any():
        regression = _fit_regression(features.pooled, anomalous)
        likeness = remember_anomalies(whitened[anomalous], plain.unusual[anomalous], whitening.deviation)
    return Learned(
        grid=features.grid,
        whitening=whitening,
        bank=bank,
        plain=plain,
        step=step,
        placed_bank=placed_bank,
        placed=placed,
        places=places,
        fine=fine,
        half=half,
        both=both,
        regression=regression,
        regression_out=_regression_out_of_fold(features.pooled, anomalous, fold, count),
        likeness=likeness,
        alike_out=likeness_out_of_fold(whitened, plain.unusual, whitening.deviation, anomalous, fold, count),
    )


def _regression_out_of_fold(
    pooled: F32, anomalous: npt.NDArray[np.bool_], fold: npt.NDArray[np.int64], count: int
) -> F64:
    scores = np.zeros(len(pooled))
    for number in range(count):
        held, kept = fold == number, fold != number
        if held.any() and anomalous[kept].any() and not anomalous[kept].all():
            scores[held] = _fit_regression(pooled[kept], anomalous[kept])(pooled[held])
    return scores


def _fit_regression(pooled: F32, anomalous: npt.NDArray[np.bool_]) -> Regression:
    mean, deviation = pooled.mean(axis=0), pooled.std(axis=0)
    deviation = np.maximum(deviation, 1e-6 * max(float(np.abs(pooled).max()), 1.0))
    model = fit_logistic(((pooled - mean) / deviation).astype(np.float64), anomalous, _STRENGTH / pooled.shape[1])
    weights = model.weights / deviation
    return Regression(weights.astype(np.float32), float(model.bias - mean @ weights))
