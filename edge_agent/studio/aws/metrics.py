"""What CloudWatch was for: the service's metrics with their dimensions, for Prometheus.

Names are the service's, as Prometheus writes names: ProcessedImageCount is lookoutvision_processed_image_count_total.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from edge_agent.errors import ServiceRefused

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LABELS = ("ProjectName", "ModelVersion")
_MOST_MODELS = 200
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class ServiceMetrics:
    """Counts of detections."""

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

    def page(self) -> bytes:
        """Write them down."""
        return generate_latest(self._registry)
