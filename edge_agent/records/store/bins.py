"""Histograms of scores and of times: in which part a value lies, what a part stands for, and quantiles from parts."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edge_agent.records.store.schema import SCORE_BINS

#: Parts of a call's time: each begins 19 % (2 ** 0.25) above the one before, the second at 1/16 ms, the last at 55 s.
TIME_BINS = 80
_PER_OCTAVE, _AT_1_MS = 4, 17


def score_bin(score: float) -> int:
    """Return in which of the equal parts of 0..1 a score lies."""
    return min(SCORE_BINS - 1, max(0, int(score * SCORE_BINS)))


def score_of(part: int) -> float:
    """Return the score that a part begins with."""
    return part / SCORE_BINS


def time_bin(milliseconds: float) -> int:
    """Return in which part a call's time lies."""
    if milliseconds <= 0:
        return 0
    return min(TIME_BINS - 1, max(0, math.floor(_PER_OCTAVE * math.log2(milliseconds)) + _AT_1_MS))


def milliseconds_of(part: int) -> float:
    """Return the time that a part begins with; the first begins with 0."""
    return float(2 ** ((part - _AT_1_MS) / _PER_OCTAVE)) if part > 0 else 0.0


def time_quantile(parts: Mapping[int, int], share: float) -> float:
    """Return the milliseconds that a share (0..1) of the calls took at most; 0 when there are none.

    It is the end of the part in which the call lies that has this place, and so at most 19 % too long.
    """
    place = share * sum(parts.values())
    seen = 0
    for part in sorted(parts):
        seen += parts[part]
        if seen >= place and parts[part]:
            return milliseconds_of(part + 1)
    return 0.0
