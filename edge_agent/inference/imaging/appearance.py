"""Whether pictures look like those that a model was trained on: as bright, as rich in contrast, and with red for red.

A model gives a verdict on anything. Pictures whose red and blue are exchanged (OpenCV's BGR), or which were scaled
otherwise, get one that is wrong without an error. What is compared is little and taken from a grid of pixels: a tenth
of a millisecond, whatever the picture's size.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.component.manifest import Appearance
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import Pixels

_ROWS, _COLUMNS = 48, 64  # of the grid, about
#: by how many spreads a value has to be off to be worth a word: below that, pictures of one camera differ
_SPREADS = 6.0
_LEAST_MEAN, _LEAST_DEVIATION = 12.0, 6.0  # grey levels; less is nothing, however alike the training pictures are
_MEAN_SHARE, _DEVIATION_FACTOR = 0.3, 2.0
#: red and blue tell something where they differ by so many spreads in the training pictures
_RED_BLUE_SPREADS, _LEAST_SPREAD = 3.0, 0.7
#: where on the line from grey to "exchanged" (1) a picture counts as that, whatever the light is
_NEAREST, _FARTHEST = 0.4, 2.5

F64 = npt.NDArray[np.float64]
Levels = tuple[float, float, float]
Kind = Literal["exchanged", "brightness", "contrast"]
_RED, _BLUE = 0, 2


class Look(NamedTuple):
    """How one picture looks: mean and standard deviation of its R, G and B, on 0..255."""

    mean: Levels
    deviation: Levels


class Unlike(NamedTuple):
    """What is different about pictures, and the sentence that says so."""

    kind: Kind
    text: str
    #: whether these pictures have less of it; of exchanged colours it says nothing
    less: bool = False


def look_at(pixels: Pixels, width: int, height: int) -> Look:
    """Measure a bitmap of that size; InvalidRequest when it can't be read."""
    picked = []
    step = max(1, width // _COLUMNS)
    for row in range(0, height, max(1, height // _ROWS)):
        picked.append(pixels.rows(row, row + 1).reshape(width, CHANNELS)[::step].copy())
    levels = np.concatenate(picked).astype(np.float32)
    return Look(_three(levels.mean(axis=0)), _three(levels.std(axis=0)))


def summarize(looks: Sequence[Look]) -> Appearance:
    """Make what a component keeps of the looks of its training pictures, one or more."""
    mean, deviation = np.array([look.mean for look in looks]), np.array([look.deviation for look in looks])
    red_blue = np.array([_red_less_blue(look) for look in looks])
    return Appearance(
        pictures=len(looks),
        mean=_rounded(mean.mean(axis=0)),
        deviation=_rounded(deviation.mean(axis=0)),
        mean_spread=_rounded(mean.std(axis=0)),
        deviation_spread=_rounded(deviation.std(axis=0)),
        red_blue_spread=_rounded(red_blue.std(axis=0)),
    )


#: what pictures are compared with, in a sentence
TRAINED = "those that the model was trained on"


def compare(trained: Appearance, looks: Sequence[Look], those: str = TRAINED) -> list[Unlike]:
    """Say in what pictures, one or more, differ from the training pictures; nothing where they are alike.

    Exchanged are they when at least half of them look so; brightness and contrast are judged by the median, so that a
    single odd part makes no noise.
    """
    found = []
    exchanged = [look for look in looks if _is_exchanged(trained, look)]
    if 2 * len(exchanged) >= len(looks):
        found.append(Unlike("exchanged", _EXCHANGED.format(those=those)))
    mean, trained_mean = statistics.median(map(_brightness, looks)), sum(trained.mean) / CHANNELS
    if abs(mean - trained_mean) > max(
        _LEAST_MEAN, _MEAN_SHARE * trained_mean, _SPREADS * sum(trained.mean_spread) / CHANNELS
    ):
        less = mean < trained_mean
        word = "darker" if less else "brighter"
        found.append(
            Unlike(
                "brightness",
                f"these pictures are much {word} than {those} (mean {mean:.0f} of 255 instead of {trained_mean:.0f})",
                less,
            )
        )
    deviation = statistics.median(sum(look.deviation) / CHANNELS for look in looks)
    trained_deviation = sum(trained.deviation) / CHANNELS
    low, high = sorted((deviation, trained_deviation))
    if high > _DEVIATION_FACTOR * low and high - low > max(
        _LEAST_DEVIATION, _SPREADS * sum(trained.deviation_spread) / CHANNELS
    ):
        less = deviation < trained_deviation
        word = "less" if less else "more"
        found.append(
            Unlike(
                "contrast",
                f"these pictures have much {word} contrast than {those} "
                f"(standard deviation {deviation:.0f} of 255 instead of {trained_deviation:.0f})",
                less,
            )
        )
    return found


_EXCHANGED = (
    "these pictures look as if red and blue were exchanged, compared with {those}; "
    "a model takes RGB, and OpenCV's pictures are BGR until they are converted"
)


def _is_exchanged(trained: Appearance, look: Look) -> bool:
    """Tell whether red and blue of a picture stand to each other as blue and red do in the training pictures.

    How much more red than blue there is, in brightness and in contrast, is a point; the training pictures' lies at 1 on
    a line from grey (0), and their exchanged ones' at -1.
    """
    spread = np.maximum(trained.red_blue_spread, _LEAST_SPREAD)
    usual = np.array(_red_less_blue(Look(trained.mean, trained.deviation))) / spread
    length = float(usual @ usual)
    if length < _RED_BLUE_SPREADS**2:
        return False  # as good as grey: it can't be told, and matters little
    return -_FARTHEST < float(usual @ (_red_less_blue(look) / spread)) / length < -_NEAREST


def _red_less_blue(look: Look) -> F64:
    return np.array([look.mean[_RED] - look.mean[_BLUE], look.deviation[_RED] - look.deviation[_BLUE]])


def _brightness(look: Look) -> float:
    return sum(look.mean) / CHANNELS


def _three(values: npt.NDArray[Any]) -> Levels:
    red, green, blue = values.tolist()
    return red, green, blue


def _rounded(values: F64) -> Any:
    return tuple(round(float(value), 2) for value in values)
