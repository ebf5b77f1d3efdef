"""What pictures are only together: of one size, each there once, none on both sides."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from edge_agent.building.datasets.checks.looking import place_of
from edge_agent.building.datasets.checks.report import Seen
from edge_agent.building.datasets.dataset import ANOMALY
from edge_agent.building.datasets.masks import describe
from edge_agent.building.datasets.reasons import Reason, grouped
from edge_agent.errors import DatasetError

_LOOKED_INTO = 50  # masks that mark nothing


def sizes(seen: Sequence[Seen]) -> tuple[tuple[int, int] | None, list[Reason]]:
    """Give the size that most pictures have, and name those that have another."""
    counted = Counter(item.size for item in seen if item.size)
    if not counted:
        return None, []
    (common, _), *_others = counted.most_common()
    return common, [
        Reason(
            "picture-size",
            "broken",
            places=(place_of(item.example),),
            facts={
                "path": item.example.path,
                "width": item.size[0],
                "height": item.size[1],
                "common": f"{common[0]}x{common[1]}",
            },
        )
        for item in seen
        if item.size and item.size != common
    ]


def contradictions(seen: Sequence[Seen]) -> list[Reason]:
    """Name pictures that are there under both labels."""
    reasons = []
    for group in _by_digest(seen).values():
        by_label = {item.example.label: item.example for item in group}
        if len(by_label) > 1:
            first, second = list(by_label.values())[:2]
            facts = {
                "path": first.path, "label": first.label, "other": second.path, "other_label": second.label,
            }  # fmt: skip
            places = tuple(place_of(item.example) for item in group)
            reasons.append(Reason("same-picture", "broken", places=places, facts=facts))
    return reasons


def leaks(train: Sequence[Seen], test: Sequence[Seen]) -> list[Reason]:
    """Name test pictures that are training pictures too."""
    known = {item.digest: item.example for item in train if item.digest}
    return [
        Reason(
            "test-picture-trained",
            "broken",
            places=(place_of(item.example),),
            facts={"path": item.example.path, "other": known[item.digest].path},
        )
        for item in test
        if item.digest in known
    ]


def repeated(parts: Sequence[Sequence[Seen]]) -> list[Reason]:
    """Count pictures that are there twice under one label."""
    extra = [item for part in parts for group in _by_digest(part).values() for item in group[1:]]
    if not extra:
        return []
    places = tuple(place_of(item.example) for item in extra)
    return [Reason("picture-twice", places=places, times=len(extra), facts={"path": extra[0].example.path})]


def empty_masks(seen: Sequence[Seen]) -> list[Reason]:
    """Say which masks of anomalous pictures mark nothing, and what they contain instead."""
    bad = [item for item in seen if item.example.label == ANOMALY and not item.problem]
    masked = [item for item in bad if item.example.mask]
    empty = [item for item in bad if not item.areas]
    if not masked or not empty:
        return []
    if not any(item.areas for item in seen):
        found = grouped(_empty(item) for item in masked[:_LOOKED_INTO])
        places = tuple(place_of(item.example) for item in masked)
        value = "; others: ".join(reason.value for reason in found)
        return [Reason("masks-empty", value=value, places=places, times=len(masked), facts=found[0].facts)]
    return list(grouped(_empty(item) for item in empty))


def _empty(item: Seen) -> Reason:
    mask = item.example.mask
    value = "it has no mask"
    if mask is not None:
        try:
            value = describe(mask)
        except DatasetError as error:
            value = str(error)
    return Reason("mask-empty", value=value, places=(place_of(item.example),), facts={"path": item.example.path})


def digest(seen: Sequence[Seen]) -> str:
    """Digest everything that was read: pixels, labels, masks."""
    lines = sorted(f"{item.digest} {item.example.label} {sorted(item.areas.items())}" for item in seen)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _by_digest(seen: Iterable[Seen]) -> dict[str, list[Seen]]:
    groups: dict[str, list[Seen]] = defaultdict(list)
    for item in seen:
        if item.digest:
            groups[item.digest].append(item)
    return groups
