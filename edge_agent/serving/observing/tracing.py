"""Each call as a span with its stages, sent over OTLP/HTTP by OpenTelemetry's SDK, in a thread and in batches.

Loaded only where the setting `traces` names a collector. Names: the semantic conventions for RPC,
https://opentelemetry.io/docs/specs/semconv/rpc/. A call whose client sends `traceparent` (W3C Trace Context) belongs to
that client's trace, and is left out where the client says that it is not sampled.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from edge_agent.serving.observing.counts import Stages
from edge_agent.version import __version__

_SERVICE = "AWS.LookoutVision.EdgeAgent"
#: which of a server's status codes mean that it has failed
_FAILED = frozenset(("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE"))
_PATH = "/v1/traces"
_SECONDS = 5.0  # that a collector has to answer, and that the end of the daemon waits for the last spans


class TracedCall(NamedTuple):
    """A call that has ended; times are in seconds of the monotonic clock."""

    rpc: str
    model: str
    code: str
    details: str
    begun: float
    ended: float
    traceparent: str
    #: when the model was given it, and where the time went; None for a call without an inspection
    inspection: tuple[float, Stages] | None


class Tracer:
    """Makes spans of calls."""

    def __init__(self, address: str) -> None:
        """Send them to the collector at `address`, its base or with the path of traces."""
        endpoint = address if address.endswith(_PATH) else address.rstrip("/") + _PATH
        resource = Resource.create({"service.name": "edge-agent", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_SECONDS)
        self._processor = BatchSpanProcessor(exporter)
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("edge_agent", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def ended(self, call: TracedCall) -> None:
        """Make the spans of a call."""
        # Wall-clock time of the monotonic clock's zero, now: the system's clock may be set.
        zero = time.time_ns() - time.monotonic_ns()
        method = f"{_SERVICE}/{call.rpc}"
        span = self._tracer.start_span(
            method,
            context=self._propagator.extract({"traceparent": call.traceparent}),
            kind=SpanKind.SERVER,
            start_time=_nanoseconds(zero, call.begun),
            attributes={
                "rpc.system.name": "grpc",
                "rpc.method": method,
                "rpc.response.status_code": call.code,
                "edge_agent.model": call.model,
            },
        )
        if span.is_recording():
            if call.code in _FAILED:
                span.set_attribute("error.type", call.code)
                span.set_status(Status(StatusCode.ERROR, call.details))
            if call.inspection is not None:
                context = set_span_in_context(span)
                for name, begun, ended in _stages(*call.inspection):
                    stage = self._tracer.start_span(name, context=context, start_time=_nanoseconds(zero, begun))
                    stage.end(_nanoseconds(zero, ended))
        span.end(_nanoseconds(zero, call.ended))

    async def close(self) -> None:
        """Send what is left, for a few seconds at the most."""
        await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(self._provider.shutdown))], timeout=_SECONDS)


def _stages(submitted: float, stages: Stages) -> list[tuple[str, float, float]]:
    """Give name, beginning and end of each stage."""
    found = [("waiting", submitted, max(submitted, stages.begun))]
    for name, seconds in (("preparation", stages.preparation), ("engine", stages.engine), ("mask", stages.mask)):
        begun = found[-1][2]
        found.append((name, begun, begun + seconds))
    return found


def _nanoseconds(zero: int, moment: float) -> int:
    return zero + int(moment * 1e9)
