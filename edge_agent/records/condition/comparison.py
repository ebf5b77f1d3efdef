"""How different two distributions of scores are: population stability index and Kolmogorov-Smirnov, from histograms.

The index (PSI) is the sum of (q - p) * ln(q / p) over ten equal parts of the score's 0..1, p and q being the shares of
the two; parts that neither has do not count, and half a picture is added to the others so that none is empty. Equal
parts and not deciles: what matters is how far scores move on the scale that the threshold lies on, and a few dozen
training pictures give no deciles. Of n and m pictures of one distribution it is (1/n + 1/m) times chi-square with one
degree of freedom less than there are parts (Yurdakul, Statistical properties of the PSI, 2018), from which comes the
index that chance alone reaches once in a thousand times.

The largest difference D of the two cumulative distributions is taken where the histograms' parts end, and so is a
little smaller than that of the single scores. Its p-value is Kolmogorov's, with Stephens' correction for small numbers
(Press et al., Numerical Recipes, 14.3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

#: parts of the index
_PARTS = 10
_ADDED = 0.5
#: of a normal distribution, one-sided: once in a thousand times
_Z = 3.0902


class Difference(NamedTuple):
    """What two histograms differ by."""

    psi: float
    #: the index that chance reaches once in a thousand times, with so many pictures
    psi_by_chance: float
    #: the largest difference of the cumulative distributions, 0..1
    ks: float
    #: how probable that, or more, is by chance
    p_value: float


def compare(reference: Sequence[int], recent: Sequence[int]) -> Difference:
    """Compare two histograms over the same equal parts of 0..1; both have pictures, and ten divides their length."""
    width = len(reference) // _PARTS
    coarse = [
        (sum(reference[part : part + width]), sum(recent[part : part + width]))
        for part in range(0, len(reference), width)
    ]
    used = [pair for pair in coarse if any(pair)]
    n, m = sum(reference), sum(recent)
    psi = 0.0
    for before, now in used:
        p, q = ((count + _ADDED) / (total + _ADDED * len(used)) for count, total in ((before, n), (now, m)))
        psi += (q - p) * math.log(q / p)
    by_chance = (1 / n + 1 / m) * _chi_square(max(1, len(used) - 1))
    ks, below, below_now = 0.0, 0, 0
    for before, now in zip(reference, recent, strict=True):
        below, below_now = below + before, below_now + now
        ks = max(ks, abs(below / n - below_now / m))
    return Difference(psi, by_chance, ks, _kolmogorov(ks, n * m / (n + m)))


def _chi_square(freedom: int) -> float:
    """Return what chi-square exceeds once in a thousand times, after Wilson and Hilferty (1931)."""
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + _Z * math.sqrt(part)) ** 3)


def _kolmogorov(distance: float, number: float) -> float:
    root = math.sqrt(number)
    place = (root + 0.12 + 0.11 / root) * distance
    if place < 0.3:  # the series converges slowly there, and its sum is 1 to four places
        return 1.0
    terms = (2 * (-1) ** (step - 1) * math.exp(-2 * (step * place) ** 2) for step in range(1, 101))
    return min(1.0, max(0.0, math.fsum(terms)))
