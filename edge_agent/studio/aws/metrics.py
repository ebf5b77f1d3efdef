"""What CloudWatch was for: the service's metrics with their dimensions, for Prometheus.

Names are the service's, as Prometheus writes names: ProcessedImageCount is lookoutvision_processed_image_count_total.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.models import Units

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LABELS = ("ProjectName", "ModelVersion")
_MOST_MODELS = 200
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class ServiceMetrics:
    """Counts of detections, and the inference units of hosted models."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._seen: set[tuple[str, str]] = set()

        def counter(name: str, text: str) -> Counter:
            return Counter(f"lookoutvision_{name}", text, _LABELS, registry=self._registry)

        self._processed = counter("processed_image_count", "pictures that got a verdict")
        self._anomalous = counter("detected_anomaly_count", "pictures that were anomalous")
        self._invalid = counter("invalid_image_count", "pictures that were refused")
        self._successful = counter("successful_request_count", "calls that were answered")
        self._errors = counter("error_count", "calls that failed")
        self._throttled = counter("throttled_count", "calls for which the agent had no room")
        self._time = Histogram(
            "lookoutvision_time_seconds", "how long calls took", _LABELS, buckets=_SECONDS, registry=self._registry
        )

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"lookoutvision_{name}_inference_units", text, _LABELS, registry=self._registry)

        self._least = gauge("min", "what StartModel was told")
        self._most = gauge("max", "what StartModel was told")
        self._desired = gauge("desired", "workers that the model is to have")
        self._in_service = gauge("in_service", "workers that the model has")

    def detected(self, project: str, version: str, seconds: float, outcome: bool | ServiceRefused) -> None:
        """Count a call: whether the picture was anomalous, or why there is no verdict; of known models only."""
        names = (project, version)
        if names not in self._seen:
            if len(self._seen) >= _MOST_MODELS:  # somebody makes names up
                return
            self._seen.add(names)
        if isinstance(outcome, ServiceRefused):
            if outcome.code in ("ResourceNotFoundException", "AccessDeniedException"):
                return
            self._errors.labels(*names).inc()
            if outcome.code == "ValidationException":
                self._invalid.labels(*names).inc()
            elif outcome.code == "ThrottlingException":
                self._throttled.labels(*names).inc()
            return
        self._processed.labels(*names).inc()
        self._successful.labels(*names).inc()
        self._anomalous.labels(*names).inc(int(outcome))
        self._time.labels(*names).observe(seconds)

    def page(self, hosted: Iterable[Units]) -> bytes:
        """Write them down, with the units of the models that are hosted now."""
        for gauge in (self._least, self._most, self._desired, self._in_service):
            gauge.clear()
        for units in hosted:
            names = (units.project, str(units.number))
            self._least.labels(*names).set(units.least)
            self._desired.labels(*names).set(units.least)
            self._in_service.labels(*names).set(units.in_service)
            if units.most is not None:
                self._most.labels(*names).set(units.most)
        return generate_latest(self._registry)
