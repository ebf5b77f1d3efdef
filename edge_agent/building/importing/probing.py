"""Whether an imported model's answer depends on the picture, and how pictures have to be fed to it so that it does.

It is shown pictures of different brightness, contrast, texture and colour. A model that gets its values in a wrong
range is saturated: it answers each of them alike, or with one of the ends. Then the usual ways to feed it are tried.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from edge_agent.component.manifest import Input
from edge_agent.errors import EngineFailed
from edge_agent.inference.imaging.resize import U8

#: scores that are nearer to each other, or to 0 or 1, say nothing
_TOGETHER, _END = 0.01, 1e-3
_MOST_ENDS = 0.9  # of all pictures
#: scores that spread are further apart than this, and so many of them are not at an end
_SPREAD, _FEWEST_BETWEEN = 0.05, 3
_MOST_WAYS = 3
_PATIENCE = 60.0  # seconds that trying other ways may take

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE = (123.68, 116.779, 103.939)
_NO_MEAN, _NO_STD = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

#: gives the score of a picture that is fed in a way, and raises EngineFailed where it is none
Scored = Callable[[U8], float]


class Way(NamedTuple):
    """How values of 0..255 are fed to a model, and the words of whoever imports it for that."""

    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    words: str


#: by the flags of import
FLAGS = (
    Way(1 / 255, _NO_MEAN, _NO_STD, "--scale 0.00392157"),
    Way(1.0, _NO_MEAN, _NO_STD, "--scale 1"),
    Way(1 / 255, *_IMAGENET, "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"),
    Way(1 / 127.5, (1.0, 1.0, 1.0), _NO_STD, "--scale 0.00784314 --mean 1,1,1"),
    Way(1.0, _CAFFE, _NO_STD, "--scale 1 --mean 123.68,116.779,103.939"),
)
#: by the keys of a stage in DDA's manifest.json
KEYS = (
    Way(1 / 255, _NO_MEAN, _NO_STD, "image_range_scale true and normalize false in manifest.json"),
    Way(1.0, _NO_MEAN, _NO_STD, "image_range_scale false and normalize false in manifest.json"),
    Way(1 / 255, *_IMAGENET, "image_range_scale true and normalize true in manifest.json"),
    Way(1.0, *_IMAGENET, "image_range_scale false and normalize true in manifest.json"),
)


def draw_probes(width: int, height: int) -> Mapping[str, U8]:
    """Draw the pictures, uint8 [height, width, 3], by what they are."""

    def sized(small: U8, filter: int = cv2.INTER_NEAREST) -> U8:
        return np.ascontiguousarray(cv2.resize(small, (width, height), interpolation=filter))

    random = np.random.default_rng(5)
    blocks = random.integers(0, 256, (12, 12, 3), np.uint8)
    fine = np.tile(random.integers(0, 256, (64, 64, 3), np.uint8), (-(-height // 64), -(-width // 64), 1))
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    board = (np.indices((8, 8)).sum(axis=0) % 2 * 255).astype(np.uint8)
    disc = np.full((256, 256, 3), 40, np.uint8)
    cv2.circle(disc, (128, 128), 90, (190, 180, 170), -1)
    grey = blocks.mean(axis=2).astype(np.uint8)
    return {
        "dark": sized(blocks // 6),
        "bright": sized(255 - blocks // 6),
        "of low contrast": sized(115 + blocks // 16),
        "a gradient": sized(np.repeat(np.tile(ramp, (64, 1))[..., None], 3, axis=2), cv2.INTER_LINEAR),
        "of fine texture": np.ascontiguousarray(fine[:height, :width]),
        "of full contrast": sized(np.repeat(board[..., None], 3, axis=2)),
        "a disc": sized(disc, cv2.INTER_AREA),
        "reddish": sized(np.stack([128 + grey // 2, grey // 3, grey // 4], axis=2)),
        "bluish": sized(np.stack([grey // 4, grey // 3, 128 + grey // 2], axis=2)),
    }


def scores_of(scored: Scored, pictures: Mapping[str, U8]) -> dict[str, float]:
    """Give each picture's score, NaN where it has none."""
    found = {}
    for name, picture in pictures.items():
        try:
            found[name] = scored(picture)
        except EngineFailed:
            found[name] = math.nan
    return found


def fault_of(scores: Mapping[str, float], *, is_yes_or_no: bool = False) -> str:
    """Say what is wrong with the scores of different pictures; "" for nothing, or where they are 0 or 1 anyway."""
    found = [score for score in scores.values() if not math.isnan(score)]
    if not found:
        return f"the model answers none of {len(scores)} trial pictures with a number"
    shown = f"{min(found):.4f} to {max(found):.4f}" if max(found) - min(found) >= 5e-5 else f"{found[0]:.4f}"
    pictures = f"{len(found)} trial pictures of different brightness, contrast, texture and colour"
    if max(found) - min(found) < _TOGETHER:
        return f"the score hardly depends on the picture: {shown} for {pictures}"
    ends = len(found) - len(_between(found))
    if not is_yes_or_no and ends >= _MOST_ENDS * len(found):
        return f"the score is at an end, 0 or 1, for {ends} of {pictures}"
    return ""


def ways_that_spread(
    score_by: Callable[[Way, bool], Scored], pictures: Mapping[str, U8], spec: Input, ways: Sequence[Way], bgr: str
) -> str:
    """Try the usual ways to feed a model, and say which of them spread the scores.

    Args:
        score_by: gives what scores a picture when it is fed in this way, and with red and blue changed.
        pictures: the trial pictures.
        spec: how the component feeds it now.
        ways: that may be tried.
        bgr: the words for red and blue changed.
    """
    end = time.monotonic() + _PATIENCE
    found = sorted(_tried(score_by, pictures, spec, ways, bgr, end), reverse=True)[:_MOST_WAYS]
    if not found:
        return (
            "; no usual scale, normalisation or order of channels spreads the scores: it may be untrained, or want "
            "pictures as nobody has told"
        )
    return "; with " + ", or with ".join(text for _, _, text in found)


def _tried(
    score_by: Callable[[Way, bool], Scored], pictures: Mapping[str, U8], spec: Input, ways: Sequence[Way], bgr: str,
    end: float,
) -> Iterator[tuple[int, float, str]]:  # fmt: skip
    """Give the ways that spread the scores, with how well."""
    for way in ways:
        is_now = (spec.scale, spec.mean, spec.std) == (way.scale, way.mean, way.std)
        for is_changed in (False, True):
            if (is_now and not is_changed) or time.monotonic() > end:
                continue
            scores = [s for s in scores_of(score_by(way, is_changed), pictures).values() if not math.isnan(s)]
            between = len({round(score, 2) for score in _between(scores)})
            if len(scores) == len(pictures) and between >= _FEWEST_BETWEEN and max(scores) - min(scores) >= _SPREAD:
                words = " ".join([*([] if is_now else [way.words]), *([bgr] if is_changed else [])])
                yield (
                    between,
                    max(scores) - min(scores),
                    f"{words} the scores are {min(scores):.2f} to {max(scores):.2f}",
                )
                break  # red and blue changed spread them, too, and nothing is said for it


def _between(scores: Sequence[float]) -> list[float]:
    return [score for score in scores if _END < score < 1 - _END]
