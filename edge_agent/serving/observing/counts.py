"""What is counted of calls and models while they happen; it is read when somebody asks (families.py).

Whatever clients send, there is only so much to count: names are those of models that are on the device, reasons and
codes are those of the agent, and of a model's versions the last few are kept.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import NamedTuple

from edge_agent.inference.verdict import Verdict
from edge_agent.serving.observing.histogram import SCORES, Histogram

#: versions of a model that are counted apart
_VERSIONS = 3
#: models that are counted by their names; of more, the others are counted together
_MODELS = 256
#: stands for a model that is not there, or for one too many
OTHER = ""


class Stages(NamedTuple):
    """How long the stages of an inspection took, in seconds, and when it began, on the system-wide monotonic clock."""

    begun: float
    preparation: float
    engine: float
    mask: float


class VersionCounts:
    """One version of a model."""

    __slots__ = ("anomalies", "call", "engine", "mask", "pictures", "preparation", "scores", "waiting")

    def __init__(self) -> None:
        self.call, self.waiting = Histogram(), Histogram()
        self.preparation, self.engine, self.mask = Histogram(), Histogram(), Histogram()
        self.scores = Histogram(SCORES)
        self.pictures = self.anomalies = 0

    def inspected(self, verdict: Verdict, waiting: float, stages: Stages) -> None:
        """Count a picture."""
        self.pictures += 1
        if verdict.is_anomalous:
            self.anomalies += 1
        self.scores.observe(verdict.score)
        self.waiting.observe(max(0.0, waiting))
        self.preparation.observe(stages.preparation)
        self.engine.observe(stages.engine)
        self.mask.observe(stages.mask)


class ModelCounts:
    """One model; of its versions the newest are kept."""

    def __init__(self) -> None:
        #: by version, the one that was served last at the end
        self.versions: dict[str, VersionCounts] = {}
        self.served: VersionCounts | None = None
        #: calls by rpc and status code
        self.calls: Counter[tuple[str, str]] = Counter()
        self.invalid_pictures = 0
        #: restarts by cause
        self.restarts: Counter[str] = Counter()

    def version(self, version: str) -> VersionCounts:
        """Give the counts of a version that may be served; the oldest are forgotten."""
        counts = self.versions.pop(version, None) or VersionCounts()
        self.versions[version] = counts
        while len(self.versions) > _VERSIONS:
            del self.versions[next(iter(self.versions))]
        return counts


class Counts:
    """All that the front counts."""

    def __init__(self) -> None:
        self._models: dict[str, ModelCounts] = {OTHER: ModelCounts()}
        #: calls that were refused or failed, by reason
        self.refused: Counter[str] = Counter()
        self.connections_opened = 0
        #: when a detection ended last, on the monotonic clock
        self.last_detection = float("-inf")

    def models(self) -> list[tuple[str, ModelCounts]]:
        """Give the models that are counted, in the order of their names."""
        return sorted(self._models.items())

    def add_model(self, name: str) -> ModelCounts:
        """Begin to count a model that has come."""
        if len(self._models) > _MODELS:
            return self._models[OTHER]
        return self._models.setdefault(name, ModelCounts())

    def forget_model(self, name: str) -> None:
        """Count a model no more that has left the device."""
        if name != OTHER:
            self._models.pop(name, None)

    def ended(self, rpc: str, model: str, code: str, seconds: float) -> None:
        """Count a call: its rpc ("" for none of ours), the model that it named, status code, and how long it took."""
        counts = self._models.get(model) or self._models[OTHER]
        counts.calls[rpc, code] += 1
        if rpc == "DetectAnomalies":
            self.last_detection = time.monotonic()
            if code == "OK":
                if counts.served is not None:
                    counts.served.call.observe(seconds)
            elif code == "INVALID_ARGUMENT":
                counts.invalid_pictures += 1
