"""What the score means. Definitions: docs/api.md, after the guide's chapter on the answer of DetectAnomalies."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from edge_agent.component.manifest import Calibration, Label
from edge_agent.errors import EngineFailed

#: score and threshold are compared at this many decimals, so that what is printed decides
_DECIMALS = 4


class Area(msgspec.Struct, frozen=True):
    """How much of the mask a label covers: a fraction 0..1."""

    label: str
    color: str
    fraction: float


class Verdict(msgspec.Struct, frozen=True):
    """The answer for one picture; `areas` is empty for classification and starts with the background otherwise."""

    is_anomalous: bool
    confidence: float
    score: float
    threshold: float
    areas: tuple[Area, ...] = ()
    #: under which name its picture is kept, as records.md says; "" when it is not
    picture: str = ""
    #: under which token it is given to a shadow model; "" when it is not
    shadow: str = ""

    @property
    def is_unmarked(self) -> bool:
        """See is_unmarked."""
        return is_unmarked(self.is_anomalous, self.areas)


def is_unmarked(is_anomalous: bool, areas: Sequence[Area]) -> bool:
    """Tell whether a picture is called anomalous by a model that makes masks, and nothing is marked on it.

    It is no fault: score and mask are calculated apart from each other, and the mask knows only the labels that it was
    taught. Whoever shows an empty mask has to say so. (The service's guide, about DetectAnomalies: nothing should be
    assumed about how the two are related.)
    """
    return is_anomalous and len(areas) == 1


def calibrate(raw: float, calibration: Calibration | None) -> float:
    """Turn the engine's raw score into a score of 0..1.

    Raises:
        EngineFailed: the raw score is not a number.
    """
    if math.isnan(raw):
        raise EngineFailed("the model's score is not a number (NaN)")
    if calibration is None:
        return min(max(raw, 0.0), 1.0)
    exponent = -(calibration.slope * raw + calibration.intercept)
    if math.isnan(exponent):  # a slope of 0 and a score that is infinite
        raise EngineFailed(f"the model's score is {raw}, which the calibration can't turn into one of 0..1")
    return 1.0 / (1.0 + math.exp(min(exponent, 700.0)))  # exp(710) is no longer a double


def decide(score: float, threshold: float, areas: tuple[Area, ...] = ()) -> Verdict:
    """Compare a score of 0..1 with the threshold; confidence is the score when anomalous and 1 - score when normal."""
    is_anomalous = round(score, _DECIMALS) >= round(threshold, _DECIMALS)
    return Verdict(
        is_anomalous=is_anomalous,
        confidence=score if is_anomalous else 1.0 - score,
        score=score,
        threshold=threshold,
        areas=areas,
    )


def found_areas(labels: Sequence[Label], fractions: Sequence[float]) -> tuple[Area, ...]:
    """Give the areas of the labels that were found, in the labels' order; the background, the first, always stands."""
    return tuple(
        Area(label.name, label.color, fraction)
        for label, fraction in zip(labels, fractions, strict=True)
        if fraction > 0 or label is labels[0]
    )
