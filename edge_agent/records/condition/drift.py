"""Whether a model's scores are distributed as they were in training, or in the first weeks.

It is looked at after every tenth of the window. Drifted is what differs by more than chance explains, in two looks one
after the other, until it is well below that again in two: what lies between changes nothing, so that it does not flap.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from edge_agent.records.condition.comparison import Difference, compare
from edge_agent.records.condition.notice import BACK, DRIFTED, LEAST_P, MOVING, Drift, DriftState, Reference
from edge_agent.records.store.bins import score_bin
from edge_agent.records.store.schema import SCORE_BINS

_LOOKS = 2
#: of the window, before anything is said
_ENOUGH = 0.4
#: windows that the first weeks must have, to be compared with
LEAST_WINDOWS = 2


class Seen(NamedTuple):
    """A picture's part of the score, and its verdict."""

    part: int
    anomalous: bool


class DriftWatch:
    """One version of a model. `now` is what the latest look has found."""

    def __init__(self, size: int, before: Drift, seen: Iterable[Seen]) -> None:
        """Compare the last `size` pictures, of which `seen` are the latest; `before` is what was found last."""
        self._size = size
        self._window = deque(seen, maxlen=size)
        self._every = max(1, size // 10)
        self._left = 0
        self._looks = 0  # one after the other that speak for another state
        self.now = before

    def add(self, score: float, anomalous: bool) -> bool:
        """Take a picture; tell whether it is time to look."""
        self._window.append(Seen(score_bin(score), anomalous))
        self._left -= 1
        return self._left <= 0

    def look(self, reference: Reference | None, at: int) -> Drift:
        """Compare with a reference, and return what is found."""
        self._left = self._every
        chosen = self._chosen(reference)
        if reference is None or len(chosen) < math.ceil(_ENOUGH * self._size):
            if self.now.state == "learning":
                self.now = msgspec.structs.replace(self.now, at=at, since=self.now.since or at)
            return self.now  # what was found before a restart stands until there is enough again
        counts = Counter(seen.part for seen in chosen)
        found = compare(reference.scores, [counts[part] for part in range(SCORE_BINS)])
        limit = max(DRIFTED, found.psi_by_chance)
        state = self._next(found, limit)
        since = self.now.since if state == self.now.state else at
        self.now = Drift(
            self.now.model, self.now.version, state, since, at, len(chosen),
            found.psi, found.ks, found.p_value, reference.kind, limit,
        )  # fmt: skip
        return self.now

    def _chosen(self, reference: Reference | None) -> list[Seen]:
        """Take the pictures that may be compared: training gives normal ones alone, so anomalous ones are left out.

        Unless most are anomalous: a line does not make mostly scrap.
        """
        if reference is None or reference.kind != "training":
            return list(self._window)
        normal = [seen for seen in self._window if not seen.anomalous]
        return normal if 2 * len(normal) >= len(self._window) else list(self._window)

    def _next(self, found: Difference, limit: float) -> DriftState:
        was_drifted = self.now.state == "drifted"
        turns = found.psi < BACK * limit if was_drifted else found.psi >= limit and found.p_value < LEAST_P
        self._looks = self._looks + 1 if turns else 0
        if self._looks >= _LOOKS:
            self._looks, was_drifted = 0, not was_drifted
        if was_drifted:
            return "drifted"
        return "moving" if found.psi >= max(MOVING, found.psi_by_chance) else "stable"
