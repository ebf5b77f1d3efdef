"""Does a model need more pixels than it usually has? Where pictures are much larger than its input, the data decide.

A model with twice the sides takes four times as long, so it has to be shown that it sees what the usual one does not:
with several anomalies, by how both rank pictures that they had not seen; with fewer, by specks of the picture's own
surface that are put on good parts where they don't belong.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from edge_agent.building.datasets.dataset import Example
from edge_agent.building.datasets.split import folds
from edge_agent.building.evaluation.metrics import classification_metrics
from edge_agent.building.training.bank import picture_scores
from edge_agent.building.training.features import Extractor, Features, join, source_model
from edge_agent.building.training.head import FINE_WORST, Head
from edge_agent.building.training.memory import describe_usual
from edge_agent.building.training.place_bank import choose_view, held_out_distances, remember_places
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.resize import U8, ArrayPixels, make_resizer

#: from how many pixels a side for one of the model's input on a larger one is tried
SHRUNK = 2.5
_TIMES = 2  # the sides of a larger input
_MOST_SIDE = 1024
_MOST_PICTURES = 150  # of a training: with more, all of their features at the larger size would fill the memory
_ENOUGH_ANOMALIES = 5  # that show what a larger input is good for
_LEAST_TRIED_ON, _TRIED_ON = 8, 20  # good parts that specks are put on
_SPECK, _LEAST_SPECK = 0.006, 4  # of the longer side, and pixels
_LOOKED_AT = 8  # pieces of surface, of which the one that differs most is the speck
_FOLDS = 5
_SHARP_ENOUGH = 0.985  # area under the ROC curve, from which on a larger input has little to add
_MISSING = 0.5  # a larger input may leave so much of what the usual one lacks of an area of 1

_TIMED = 5  # runs

Progress = Callable[[int, int], None]


class Judging(Protocol):
    """Something with a verdict."""

    @property
    def head(self) -> Head:
        """What judges."""


J = TypeVar("J", bound=Judging)


class Trial(NamedTuple):
    """Areas under the ROC curve with the usual and with the larger input, and of what."""

    usual: float
    larger: float
    of: str

    @property
    def is_better(self) -> bool:
        """Tell whether the larger one is worth its time."""
        return has_something_to_gain(self.usual) and 1 - self.larger <= _MISSING * (1 - self.usual)


def choose_larger(
    usual: J,
    anomalous: npt.NDArray[np.bool_],
    fit_larger: Callable[[], J],
    see_specks: Callable[[npt.NDArray[np.intp]], tuple[float, float]],
) -> tuple[J, Trial | None]:
    """Try a larger input where the data can say anything of it; keep what they ask for.

    Args:
        usual: was fitted with the usual input.
        anomalous: which of the pictures are, that it was fitted on.
        fit_larger: fits the same with the larger one.
        see_specks: of good parts, tells with which area under the ROC curve specks on them are seen, with both inputs.
    """
    if len(anomalous) > _MOST_PICTURES:
        return usual, None
    if int(anomalous.sum()) >= _ENOUGH_ANOMALIES:
        area = ranking(usual.head, anomalous)
        if not has_something_to_gain(area):
            return usual, None
        larger = fit_larger()
        trial = Trial(area, ranking(larger.head, anomalous), "pictures that were held out")
        return (larger if trial.is_better else usual), trial
    good = np.flatnonzero(~anomalous)[:_TRIED_ON]
    if len(good) < _LEAST_TRIED_ON:
        return usual, None
    trial = Trial(*see_specks(good), "specks on good parts")
    return (fit_larger() if trial.is_better else usual), trial


def larger_size(picture: tuple[int, int], usual: tuple[int, int]) -> tuple[int, int] | None:
    """Give the input that is tried beside the usual one: None where pictures are not much larger, or that is not."""
    size = (_TIMES * usual[0], _TIMES * usual[1])
    shrunk = max(picture[0] / usual[0], picture[1] / usual[1])
    return size if shrunk >= SHRUNK and max(size) <= _MOST_SIDE else None


def has_something_to_gain(area: float) -> bool:
    """Tell whether a larger input could rank pictures better."""
    return area < _SHARP_ENOUGH


def ranking(head: Head, anomalous: npt.NDArray[np.bool_]) -> float:
    """Give the area under the ROC curve of pictures that were held out; there must be both kinds."""
    found = classification_metrics(head.calibrated(head.out_of_fold), anomalous, head.calibrated_threshold).roc_auc
    return 1.0 if found is None else found


def add_speck(picture: U8, number: int) -> U8:
    """Put a small piece of the picture, turned, where it differs; the same `number` chooses the same piece."""
    rng = np.random.default_rng(number)
    height, width = picture.shape[:2]
    side = min(max(_LEAST_SPECK, round(_SPECK * max(height, width))), height, width)

    def place() -> tuple[slice, slice]:
        row, column = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        return slice(row, row + side), slice(column, column + side)

    where = place()
    pieces = [np.rot90(picture[place()]) for _ in range(_LOOKED_AT)]
    there = picture[where].astype(np.int16)
    found = picture.copy()
    found[where] = max(pieces, key=lambda piece: float(np.abs(piece - there).mean()))
    return np.asarray(found, np.uint8)


def specks_seen(good: Features, specks: Features, *, seed: int) -> float:
    """Give the area under the ROC curve of specks on good parts, each judged by what the others show at its places.

    `specks` are of the same pictures as `good`, in the same order; there must be two of them.
    """
    count = min(_FOLDS, len(good.fine))
    anomalous = np.zeros(len(good.fine), bool)
    fold = np.asarray(folds([0] * len(anomalous), count, seed=seed))
    view = choose_view(good, ~anomalous, seed=seed)
    found = held_out_distances(good, view, anomalous, fold, count, seed=seed)
    memory = describe_usual(found, good.fine_grid, anomalous, fold, count, FINE_WORST)
    scores = np.zeros(len(anomalous))
    for number in range(count):
        held = fold == number
        places = remember_places(good, ~held, view, seed=seed)
        scores[held] = picture_scores(memory.usual(places(specks.of(held))), FINE_WORST)
    above = (scores[:, None] > memory.scores).mean() + (scores[:, None] == memory.scores).mean() / 2
    return float(above)


def try_specks(
    good: Sequence[Example],
    picture: tuple[int, int],
    sizes: tuple[tuple[int, int], tuple[int, int]],
    *,
    seed: int,
    progress: Progress,
) -> tuple[float, float]:
    """Tell how well specks on good parts are seen with both sizes of the input: areas under the ROC curve."""
    found: list[float] = []
    total = len(sizes) * len(good)
    originals = [np.ascontiguousarray(read_picture(example.path, example.pixel_format)) for example in good]
    for size in sizes:
        extract = Extractor(*size, source_model(*size))
        resize = make_resizer(picture, size, "area")
        parts: list[tuple[Features, Features]] = []
        for number, original in enumerate(originals):
            plain, speck = (
                extract([resize(ArrayPixels(pixels)).copy()]) for pixels in (original, add_speck(original, number))
            )
            parts.append((plain, speck))
            progress(len(found) * len(good) + number + 1, total)
        found.append(specks_seen(*(join(of) for of in zip(*parts, strict=True)), seed=seed))
    usual, larger = found
    return usual, larger


def milliseconds(extract: Extractor) -> float:
    """Give the time that the features of a picture take here, in which nearly all of an inspection goes."""
    picture = np.zeros((extract.size[1], extract.size[0], 3), np.uint8)
    taken = []
    for _ in range(_TIMED):
        begun = time.perf_counter()
        extract([picture])
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken)) * 1000


def describe(
    trial: Trial,
    picture: tuple[int, int],
    sizes: tuple[tuple[int, int], tuple[int, int]],
    times: tuple[float, float] | None,
) -> str:
    """Say which of both sizes was chosen, why, and what it costs."""
    usual, larger = map(_by, sizes)
    areas = f"it ranks {trial.of} with a ROC AUC of {trial.larger:.3f}, the usual {usual} with {trial.usual:.3f}"
    if not times:
        return f"an input of {larger} was tried for pictures of {_by(picture)} and not taken: {areas}"
    return (
        f"an input of {larger} was chosen for pictures of {_by(picture)}: {areas}. Its network takes {times[1]:.0f} ms "
        f"for a picture on this machine instead of {times[0]:.0f} ms; `--quality normal` keeps the usual size"
    )


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
