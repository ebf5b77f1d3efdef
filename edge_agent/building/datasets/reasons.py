"""What is to be said about a dataset, as data: the command line, the page and the API each show it in their way.

A reason has a code, what was found, where, and how often. sentences.py makes sentences of them, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

#: `note`: to be known. `broken`: one line or picture can't be used, and the others could do without it. `problem`: no
#: model can be made of the dataset as it is.
Weight = Literal["note", "broken", "problem"]


class Place(NamedTuple):
    """Where something was found: in a manifest or table, at a line of it, in a file."""

    source: Path | None = None
    line: int | None = None
    path: Path | None = None


class Reason(NamedTuple):
    """One thing to say. `facts` has what the sentence of this code names beside value, attribute, count and place."""

    code: str
    weight: Weight = "note"
    #: what was found, such as the class NG
    value: str = ""
    #: where in a line it was found, such as anomaly-label
    attribute: str = ""
    places: tuple[Place, ...] = ()
    times: int = 1
    facts: Mapping[str, Any] = {}

    @property
    def stops(self) -> bool:
        """Tell whether it keeps a model from being made."""
        return self.weight != "note"


def grouped(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Put together what differs in its places only, in the order in which each was met first."""
    places: dict[tuple[str, str, str, str], list[Place]] = {}
    first: dict[tuple[str, str, str, str], Reason] = {}
    count: dict[tuple[str, str, str, str], int] = {}
    for reason in reasons:
        key = (reason.code, reason.weight, reason.value, reason.attribute)
        first.setdefault(key, reason)
        places.setdefault(key, []).extend(reason.places)
        count[key] = count.get(key, 0) + reason.times
    return tuple(reason._replace(times=count[key], places=tuple(places[key])) for key, reason in first.items())


def in_order(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Put together the notes that differ in their places only; what is broken is said one by one, by its lines."""
    broken = [reason for reason in reasons if reason.weight == "broken"]
    broken.sort(key=lambda reason: (reason.places[0].line or 0) if reason.places else 0)
    problems = [reason for reason in reasons if reason.weight == "problem"]
    return (*broken, *problems, *grouped(reason for reason in reasons if not reason.stops))
