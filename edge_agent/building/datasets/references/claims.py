"""Two references never become one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from edge_agent.building.datasets.reasons import Place, Reason
from edge_agent.building.datasets.references.resolver import Found


class _Claim(NamedTuple):
    found: Found
    reference: str
    line: int


class Claims:
    """Which references were found to be which files."""

    def __init__(self) -> None:
        self._of: dict[str, dict[tuple[str, ...], _Claim]] = {}

    def claim(self, found: Found, reference: str, line: int) -> None:
        """Note that a reference is a file."""
        known = self._of.setdefault(os.path.realpath(found.path), {})
        known.setdefault(found.identity, _Claim(found, reference, line))

    def conflicts(self, source: Path, what: str) -> list[Reason]:
        """Name references that differ and were found to be one file; `what` says which kind of file."""
        reasons = []
        for claims in self._of.values():
            several = list(claims.values())
            objects = sum(claim.found.identity[0] == "object" for claim in several)
            if len(several) < 2 or not (objects > 1 or any(_is_loose(claim) for claim in several)):
                continue
            first, second = several[:2]
            places = tuple(Place(source, claim.line, claim.found.path) for claim in several)
            facts = {"other": second.reference, "other_line": second.line, "what": what, "path": first.found.path}
            reasons.append(Reason(f"{what}-of-two", "broken", first.reference, places=places, facts=facts))
        return reasons


def _is_loose(claim: _Claim) -> bool:
    """Tell whether a part of a reference, more than the bucket that stands for the root, had to be passed over."""
    kind = claim.found.identity[0]
    return claim.found.nearly or (kind != "file" and claim.found.dropped > (kind == "object"))
