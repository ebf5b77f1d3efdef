"""What a check found."""

from __future__ import annotations

from typing import NamedTuple

from edge_agent.building.datasets.dataset import Example
from edge_agent.building.datasets.reasons import Reason
from edge_agent.building.datasets.sentences import sentence
from edge_agent.errors import DatasetError
from edge_agent.inference.imaging.picture_file import PictureFile


class Traits(NamedTuple):
    """What is noticed of a picture beside its pixels."""

    file: PictureFile
    #: the highest value of a file of 16 bits, 0 for others
    peak: int
    looks_like_mosaic: bool
    #: some pixels are transparent, and what lies behind is used
    is_transparent: bool
    fingerprint: bytes
    #: how its mask is turned, 1 for none
    mask_orientation: int = 1


class Seen(NamedTuple):
    """One picture after it was read."""

    example: Example
    size: tuple[int, int] | None
    #: SHA-256 of its pixels
    digest: str
    #: pixels of each label, by name
    areas: dict[str, int]
    #: why it can't be used
    problem: Reason | None
    #: what was noticed of its file; None for one that can't be read
    traits: Traits | None = None


class Report(NamedTuple):
    """All reasons: problems keep a model from being made; warnings say what to expect of it."""

    reasons: tuple[Reason, ...]
    #: width and height of the pictures
    size: tuple[int, int] | None
    #: SHA-256 of everything that was read: pixels, labels, masks
    digest: str
    seen: tuple[Seen, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps a model from being made, in words."""
        return tuple(sentence(reason) for reason in self.reasons if reason.stops)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be known, in words."""
        return tuple(sentence(reason) for reason in self.reasons if not reason.stops)


def require(report: Report) -> None:
    """Refuse a dataset with problems.

    Raises:
        DatasetError: the text names every one, on a line each when there are several.
    """
    problems = report.problems
    if problems:
        if len(problems) == 1:
            raise DatasetError(*problems)
        raise DatasetError(f"{len(problems)} problems with the pictures:", *(f"  {problem}" for problem in problems))
