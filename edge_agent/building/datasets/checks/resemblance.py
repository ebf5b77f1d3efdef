"""Pictures that are nearly the same: encoded again or cropped by a pixel, and not seen by a digest of pixels."""

from __future__ import annotations

from collections.abc import Sequence

from edge_agent.building.datasets.checks.places import places_of
from edge_agent.building.datasets.checks.report import Seen
from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.reasons import Reason
from edge_agent.inference.imaging.fingerprint import most_differing, nearest

_MOST_COMPARED = 20_000  # pictures; the work grows with the square


def resemblances(parts: Sequence[Sequence[Seen]]) -> list[Reason]:
    """Name test pictures that nearly are training pictures, and pictures that nearly are one of the other label."""
    train, *tests = [[item for item in part if item.traits] for part in parts]
    if len(train) > _MOST_COMPARED:
        return []
    most = most_differing([_print(item) for item in train])
    reasons = []
    for test in tests:
        pairs = _near(test, train, most)
        if pairs:
            facts = {"path": pairs[0][0].example.path, "other": pairs[0][1].example.path}
            places = places_of(item for item, _ in pairs)
            reasons.append(Reason("test-nearly-trained", places=places, times=len(pairs), facts=facts))
    sides = [[item for item in train if item.example.label == label] for label in (NORMAL, ANOMALY)]
    pairs = _near(sides[1], sides[0], most)
    if pairs:
        facts = {"path": pairs[0][0].example.path, "other": pairs[0][1].example.path}
        places = places_of(item for item, _ in pairs)
        reasons.append(Reason("nearly-same-picture", places=places, times=len(pairs), facts=facts))
    return reasons


def _near(some: Sequence[Seen], others: Sequence[Seen], most: float) -> list[tuple[Seen, Seen]]:
    """Give the pairs that are alike; those that are the same to the pixel are named elsewhere."""
    found = nearest([_print(item) for item in some], [_print(item) for item in others])
    return [
        (item, others[place])
        for item, (place, bits) in zip(some, found, strict=False)
        if bits <= most and item.digest != others[place].digest
    ]


def _print(item: Seen) -> bytes:
    assert item.traits is not None
    return item.traits.fingerprint
