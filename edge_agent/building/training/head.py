"""The verdict on the whole picture: scores that know different things, brought to one scale and added.

A memory bank knows what good parts look like, place by place, and needs no anomaly; a second one sees some way around
each place, and knows where on the picture that is; a third compares each fine place with the same place of good parts
alone. With the larger input what the third knows of a place counts for the first two as well. Of all counts how much
further away a patch is than is usual at its place. The logistic regression on pooled features learns from the anomalies
that there are. All are put in deviations of normal pictures' scores, compressed by asinh(z / 3), which is linear for
ordinary pictures and logarithmic for extreme ones, and weighted by how well each separates pictures that it was not
fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.counting import Progress
from edge_agent.building.datasets.split import folds
from edge_agent.building.training.bank import Whitening, distances, is_larger, picture_scores, with_places
from edge_agent.building.training.cores import one_thread_each
from edge_agent.building.training.features import F32, FINER, Features
from edge_agent.building.training.learned import HalfPlaces, Learned, Regression, learn
from edge_agent.building.training.likeness import Likeness
from edge_agent.building.training.memory import FINE_WORST, UsualPlaces, join_places, most_within
from edge_agent.building.training.place_bank import Moved, PlaceBank, straying
from edge_agent.building.training.regression import fit_logistic
from edge_agent.building.training.threshold import (
    F64,
    Spread,
    balanced_threshold,
    calibration_slope,
    deviations_to_drawn,
    expected_errors,
    limit_before_drawn,
    normal_limit,
    normal_spread,
    threshold_for_precision,
    threshold_for_recall,
)
from edge_agent.building.training.usual import Usual
from edge_agent.errors import TrainingError

_MARKED_DEVIATIONS = 3.0  # of normal pictures' furthest patches
_COMPRESSION = 3.0  # deviations: half way between linear and logarithmic
_FOLDS, _FOLDS_OF_MANY, _MANY = 10, 5, 150
_TRUSTED_ANOMALIES = 5  # below this many regression and likeness count for less
_DECIMALS = 4  # at which a score is compared with the threshold, as inference/verdict.py does
_FURTHEST_LOGIT = 5.0  # of the threshold, when it is not where the calibrated score is 0.5
_LEAST_ANOMALIES = 2  # one would leave none to fit on when it is held out
#: how much the first two banks count of what is left to them where no anomaly decides: the first separates more kinds
_USUAL_WEIGHTS = (0.6, 0.4)
_BANKS = 3
#: of the weights comes from that where so many anomalies decide or fewer: thirty pictures say little of five scores
_USUAL_SHARE, _DECIDE = 0.3, 10
#: how much the third counts at the most there, and how far out the worst fine place of good parts may lie for that, and
#: for it to count at all: in so many times of what it would be were the deviations normally distributed
_MOST_FINE, _STEADY, _UNSTEADY = 0.75, 1.0, 1.3
#: how many times as far the same place of other good parts may be as the nearest of all places, for the same
_IN_PLACE, _ASTRAY = 1.05, 1.15
#: of how unusual a fine place is, added to what the first two banks say of the place that it lies in, where the third
#: counts as much as it can
_BESIDE = 1.5
_LOST = 0.05  # of the way to drawn defects, which a second size may take


class Scale(NamedTuple):
    """One score's part of the whole: weight * asinh((score - mean) / (3 * deviation))."""

    spread: Spread
    weight: float

    def __call__(self, scores: npt.NDArray[np.floating]) -> F64:
        z = (np.asarray(scores, np.float64) - self.spread.mean) / (self.spread.deviation * _COMPRESSION)
        return np.asarray(self.weight * np.arcsinh(z), np.float64)

    @property
    def divisor(self) -> float:
        """What (score - mean) is divided by."""
        return self.spread.deviation * _COMPRESSION


class Placed(NamedTuple):
    """A bank of patches [n, channels + 2] with their places, which count `weight` a step, and its score's part."""

    bank: F32
    usual: Usual
    weight: float
    scale: Scale


class Fine(NamedTuple):
    """What good parts show at each fine place, what is usual there, and its score's part."""

    places: PlaceBank
    usual: UsualPlaces
    scale: Scale
    #: of the same pictures at half the size: a place counts by the mean of what both sizes say of it
    half: HalfPlaces | None = None

    def __call__(self, features: Features) -> F32:
        """Say how unusual each place is: [pictures, 4 * positions]."""
        found = self.usual(self.places(features))
        if self.half and features.half:
            found = join_places(found, self.half(features.half), features.half.fine_grid)
        return found


class Head(NamedTuple):
    """Everything between the features and the verdict."""

    whitening: Whitening
    #: of whitened sharp patches
    bank: F32
    bank_usual: Usual
    bank_scale: Scale
    placed: Placed
    #: None where places say nothing, because parts lie differently in each picture
    fine: Fine | None
    regression: Regression | None
    regression_scale: Scale | None
    likeness: Likeness | None
    likeness_scale: Scale | None
    #: of the raw score
    threshold: float
    slope: float
    #: where the calibrated score is 0.5
    middle: float
    #: raw scores of the training pictures, each from a head that had not seen it
    out_of_fold: F64
    #: of the same pictures: mean distance of their worst patches to a bank that was made without them
    bank_out_of_fold: F64
    #: of the anomaly map: what lies above it is marked
    map_threshold: float
    #: of good parts' scores by the first bank alone, in deviations of which the map is
    map_spread: Spread
    #: how many times as far the same place of other good parts is as the nearest of all places
    strays: float
    #: how much of how unusual fine places are is added to what the first two banks say of a place
    beside: float = 0.0

    def raw_scores(self, features: Features) -> F64:
        """Score pictures as the finished model does."""
        whitened = self.whitening(features.sharp)
        fine = self.fine(features) if self.fine else None
        added = 0.0 if fine is None or not self.beside else self.beside * most_within(fine, features.grid)
        found = self.bank_usual(distances(whitened, self.bank))
        raw = self.bank_scale(picture_scores(found + added))
        patches = with_places(features.patches, *features.grid, self.placed.weight)
        found = self.placed.usual(distances(patches, self.placed.bank))
        raw = raw + self.placed.scale(picture_scores(found + added))
        if self.fine and fine is not None:
            raw = raw + self.fine.scale(picture_scores(fine, FINE_WORST))
        if self.regression and self.regression_scale:
            raw = raw + self.regression_scale(self.regression(features.pooled))
        if self.likeness and self.likeness_scale:
            raw = raw + self.likeness_scale(self.likeness(whitened))
        return raw

    @property
    def looks_at_half(self) -> bool:
        """Whether pictures are looked at in half the size, too."""
        return self.fine is not None and self.fine.half is not None

    @property
    def calibrated_threshold(self) -> float:
        """The threshold among calibrated scores."""
        return float(self.calibrated(np.array([self.threshold]))[0])

    @property
    def least_anomalous(self) -> float:
        """The raw score from which on a picture is anomalous: calibrated scores are compared at four decimals."""
        least = round(self.calibrated_threshold, _DECIMALS) - 0.5 * 10**-_DECIMALS
        return self.middle + float(np.log(least / (1 - least))) / self.slope

    def calibrated(self, raw: F64) -> F64:
        """Turn raw scores into 0..1."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.slope * (raw - self.middle), -700, 700))), np.float64)


class Wanted(NamedTuple):
    """What the threshold is chosen for: the best F1, or at least a recall or a precision."""

    recall: float | None = None
    precision: float | None = None


@one_thread_each()
def fit_head(
    features: Features,
    anomalous: npt.NDArray[np.bool_],
    *,
    seed: int,
    wanted: Wanted,
    progress: Progress,
    same: Sequence[str] = (),
    drawn: Features | None = None,
    moved: Moved | None = None,
    most_folds: int = _FOLDS,
    strays: float | None = None,
) -> Head:
    """Fit bank, regression, scales, threshold and calibration.

    Args:
        features: of all training pictures.
        anomalous: which of them are.
        seed: everything random follows from it.
        wanted: what the threshold is for.
        progress: told how much is learned.
        same: a key for each picture; those with the same key are copies, which are held out together.
        drawn: of good parts with drawn defects, which say more of the threshold where there are no anomalies.
        moved: of good parts that lie a little elsewhere, which the bank of each place remembers, too.
        most_folds: in so many parts at the most pictures are divided, each held out in turn.
        strays: what a head of these and other pictures found; it is not measured again.

    Raises:
        TrainingError: the wanted precision can't be reached.
    """
    fold, count = _folds(anomalous, seed, same, most_folds)
    learned = learn(features, anomalous, fold, count, seed=seed, moved=moved, progress=progress)
    if strays is None:
        strays = straying(features, ~anomalous, learned.places.view, seed=seed)
    weighed = _weigh(learned, anomalous, strays)
    drawn_scores = weighed.raw_scores(drawn) if drawn else None
    if not learned.half:
        return _decide(weighed, anomalous, wanted, drawn_scores)
    alone = _weigh(learned.of_one_size, anomalous, strays)
    alone_drawn = alone.raw_scores(drawn) if drawn else None
    choices = [(weighed, drawn_scores), (alone, alone_drawn)]
    if tell_less(weighed.out_of_fold, alone.out_of_fold, anomalous, drawn_scores, alone_drawn):
        choices.reverse()
    (better, better_drawn), (other, other_drawn) = choices
    try:
        return _decide(better, anomalous, wanted, better_drawn)
    except TrainingError:
        # The one may reach a precision that the other doesn't, though it tells defects better on the whole.
        return _decide(other, anomalous, wanted, other_drawn)


def _decide(head: Head, anomalous: npt.NDArray[np.bool_], wanted: Wanted, drawn: F64 | None) -> Head:
    """Choose the threshold and the calibration of a verdict; `drawn` is what it says of drawn defects."""
    raw, normal = head.out_of_fold, ~anomalous
    middle = _middle(raw, anomalous, drawn)
    slope = calibration_slope(raw[normal], raw[anomalous], middle)
    threshold = _wanted_threshold(raw, anomalous, wanted, middle)
    # Scores are compared at four decimals: a threshold far out would be 0 or 1 there.
    middle = float(np.clip(middle, threshold - _FURTHEST_LOGIT / slope, threshold + _FURTHEST_LOGIT / slope))
    return head._replace(threshold=threshold, slope=slope, middle=middle)


def _weigh(learned: Learned, anomalous: npt.NDArray[np.bool_], strays: float) -> Head:
    """Weigh the scores, for a verdict whose threshold and calibration are still to be chosen."""
    normal = ~anomalous
    positions = learned.seen.unusual.shape[1]
    usual = _usual_weights(learned.seen.scores[normal], positions, strays)
    map_spread = normal_spread(learned.plain.scores[normal])
    beside = _BESIDE * usual[2] / _MOST_FINE if is_larger(positions // FINER**2) else 0.0
    if beside:
        # A small defect is unusual for all banks in one place; what is unusual by chance is so for one of them.
        learned = learned.beside_fine(beside)
    spreads = [normal_spread(scores[normal]) for scores in learned.scores]
    parts = [Scale(spread, 1.0)(scores) for spread, scores in zip(spreads, learned.scores, strict=True)]
    weights = _weights(parts, anomalous, usual)
    scales = [Scale(spread, weight) for spread, weight in zip(spreads, weights, strict=True)]
    return Head(
        whitening=learned.whitening,
        bank=learned.bank,
        bank_usual=learned.plain.usual,
        bank_scale=scales[0],
        placed=Placed(learned.placed_bank, learned.placed.usual, learned.step, scales[1]),
        fine=Fine(learned.places, learned.fine.usual, scales[2], learned.half) if weights[2] > 0 else None,
        regression=learned.regression if weights[3] > 0 else None,
        regression_scale=scales[3] if weights[3] > 0 else None,
        likeness=learned.likeness if weights[4] > 0 else None,
        likeness_scale=scales[4] if weights[4] > 0 else None,
        threshold=0.0,
        slope=1.0,
        middle=0.0,
        out_of_fold=np.asarray(sum(weight * part for weight, part in zip(weights, parts, strict=True)), np.float64),
        bank_out_of_fold=learned.plain.distances,
        map_threshold=_map_threshold(learned.plain.unusual[normal].max(axis=1).astype(np.float64), map_spread),
        map_spread=map_spread,
        strays=strays,
        beside=beside,
    )


def tell_less(
    both: F64, alone: F64, anomalous: npt.NDArray[np.bool_], drawn: F64 | None, alone_drawn: F64 | None
) -> bool:
    """Tell whether defects are told worse by two sizes than by one: anomalies that were held out, or else drawn ones.

    Where defects are a few pixels at the whole size there is nothing left of them at half of it but noise.
    """
    normal = ~anomalous
    if anomalous.any():
        return expected_errors(both[normal], both[anomalous]) > expected_errors(alone[normal], alone[anomalous])
    if drawn is None or alone_drawn is None:
        return False
    far = deviations_to_drawn(alone, alone_drawn)
    # Drawn defects may score below good parts in the mean: also what is negative must not be much less.
    return deviations_to_drawn(both, drawn) < far - _LOST * abs(far)


def _folds(
    anomalous: npt.NDArray[np.bool_], seed: int, same: Sequence[str], most: int
) -> tuple[npt.NDArray[np.int64], int]:
    """Say with which others each picture is held out."""
    count = min(most, _FOLDS if len(anomalous) <= _MANY else _FOLDS_OF_MANY, max(2, int((~anomalous).sum())))
    return folds(anomalous.astype(int).tolist(), count, seed=seed, same=same), count


def _usual_weights(fine: F64, positions: int, strays: float) -> tuple[float, ...]:
    """Weigh the banks where no anomaly decides, by what good parts' worst fine places score, and how far they stray.

    Where parts lie alike, good ones have no place that is far out, and a small defect is. A screw that is turned
    otherwise in each picture is far out on every good part, and a defect is lost among such. Where whole parts turn,
    every place is as far out as the others: there it is another place that shows the same.
    """
    expected = np.sqrt(2 * np.log(max(positions, 2)))
    steady = (_UNSTEADY - float(fine.mean()) / expected) / (_UNSTEADY - _STEADY)
    in_place = (_ASTRAY - strays) / (_ASTRAY - _IN_PLACE)
    share = _MOST_FINE * float(np.clip(steady, 0.0, 1.0) * np.clip(in_place, 0.0, 1.0))
    return (*((1 - share) * weight for weight in _USUAL_WEIGHTS), share, 0.0, 0.0)


def _weights(parts: Sequence[F64], anomalous: npt.NDArray[np.bool_], usual: tuple[float, ...]) -> tuple[float, ...]:
    """Weigh the banks, regression and likeness by a regression on out-of-fold values; none counts negatively.

    `usual` is what they count where no anomaly decides; they keep some of it.
    """
    if not anomalous.any():
        return usual
    used = parts if anomalous.sum() >= _LEAST_ANOMALIES else parts[:_BANKS]
    found = np.zeros(len(parts))
    found[: len(used)] = np.maximum(fit_logistic(np.stack(used, axis=1), anomalous, 1.0).weights, 0.0)
    found[_BANKS:] *= min(1.0, anomalous.sum() / _TRUSTED_ANOMALIES)
    if found.sum() <= 0:
        return usual
    share = _USUAL_SHARE * min(1.0, _DECIDE / anomalous.sum())
    return tuple((share * np.array(usual) + (1 - share) * found / found.sum()).tolist())


def _map_threshold(furthest: F64, spread: Spread) -> float:
    """Choose what is marked as anomalous: what hardly any patch of a good part reaches."""
    seen = normal_spread((furthest - spread.mean) / spread.deviation)
    return seen.mean + _MARKED_DEVIATIONS * seen.deviation


def _middle(raw: F64, anomalous: npt.NDArray[np.bool_], drawn: F64 | None) -> float:
    if anomalous.any():
        return balanced_threshold(raw[~anomalous], raw[anomalous])
    if drawn is not None:
        return limit_before_drawn(raw, drawn)
    return normal_limit(raw)


def _wanted_threshold(raw: F64, anomalous: npt.NDArray[np.bool_], wanted: Wanted, middle: float) -> float:
    if not anomalous.any():
        return middle
    if wanted.recall is not None:
        return min(middle, threshold_for_recall(raw[~anomalous], raw[anomalous], wanted.recall))
    if wanted.precision is not None:
        return threshold_for_precision(raw[~anomalous], raw[anomalous], wanted.precision, least=middle)
    return middle
