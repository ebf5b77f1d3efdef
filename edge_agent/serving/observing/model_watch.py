"""What a model tells of its life: for whoever counts it."""

from __future__ import annotations

import re

from edge_agent.serving.observing.counts import ModelCounts, VersionCounts

#: what stands in a cause of failure, and the word by which restarts are counted; the name of a signal is its own word
_CAUSES = (("killed by signal", "signal"), ("it hung", "hung"), ("exited with", "exited"), ("not ready after", "late"))
_SIGNAL = re.compile(r"killed by (SIG[A-Z0-9]+)")


class ModelWatch:
    """One model's."""

    def __init__(self, counts: ModelCounts | None) -> None:
        self._counts = counts

    def counts_of(self, version: str) -> VersionCounts | None:
        """Give what is counted of a version whose workers are started; None where nobody counts."""
        return None if self._counts is None else self._counts.version(version)

    def serves(self, version: str) -> None:
        """Take note that calls go to this version from now on."""
        if self._counts is not None:
            self._counts.served = self._counts.version(version)

    def restarts(self, cause: str) -> None:
        """Take note that the model is started again by itself, and why it had failed."""
        if self._counts is not None:
            self._counts.restarts[kind_of(cause)] += 1


def kind_of(cause: str) -> str:
    """Return one of few words for why a model failed."""
    found = _SIGNAL.search(cause)
    if found:
        return found[1]
    return next((word for text, word in _CAUSES if text in cause), "failed")
