"""Every metric by name: its type, labels, what it says, and which of the cloud service's metrics it answers for.

The exposition and docs/metrics.md are made from this table. Names and units: https://prometheus.io/docs/practices/naming/.
The service's metrics: the guide's chapter on CloudWatch.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Metric(NamedTuple):
    """One metric. A counter's name is written with `_total` behind it."""

    name: str
    kind: Literal["histogram", "counter", "gauge"]
    unit: str
    labels: tuple[str, ...]
    help: str
    cloudwatch: str = ""


_VERSION = ("model", "version")

_ROWS = (
    Metric("edge_agent_call_seconds", "histogram", "seconds", _VERSION,
           "DetectAnomalies that was answered, from its headers to its answer", "Time"),
    Metric("edge_agent_waiting_seconds", "histogram", "seconds", _VERSION,
           "from when the agent had the call to when a worker began with it"),
    Metric("edge_agent_preparation_seconds", "histogram", "seconds", _VERSION,
           "reading the picture, resizing and normalising it"),
    Metric("edge_agent_engine_seconds", "histogram", "seconds", _VERSION, "executing the model"),
    Metric("edge_agent_mask_seconds", "histogram", "seconds", _VERSION, "the verdict, and the mask where there is one"),
    Metric("edge_agent_score", "histogram", "", _VERSION,
           "anomaly scores of 0 to 1; their drift shows before verdicts change"),
    Metric("edge_agent_pictures", "counter", "pictures", _VERSION,
           "pictures that got a verdict", "ProcessedImageCount"),
    Metric("edge_agent_anomalies", "counter", "pictures", _VERSION, "of these, anomalous ones", "DetectedAnomalyCount"),
    Metric("edge_agent_invalid_pictures", "counter", "pictures", ("model",),
           "pictures that were refused: a wrong size, number of bytes, or segment", "InvalidImageCount"),
    Metric("edge_agent_calls", "counter", "calls", ("model", "rpc", "code"),
           "calls that have ended, by status code; CANCELLED: the client went away; a model that is not on the device, "
           "and an rpc that there is not, have an empty label; health's and reflection's begin with their service",
           "SuccessfulRequestCount (code OK), ErrorCount (others), ThrottledCount (RESOURCE_EXHAUSTED)"),
    Metric("edge_agent_refused_calls", "counter", "calls", ("reason",), "calls that were refused or failed, by reason",
           "ErrorCount; ThrottledCount (reason overloaded)"),
    Metric("edge_agent_models", "gauge", "models", ("status",), "models by status",
           "InServiceInferenceUnits (RUNNING)"),
    Metric("edge_agent_model_running", "gauge", "", _VERSION, "1 for a model that is RUNNING, 0 for others"),
    Metric("edge_agent_model_wanted", "gauge", "", ("model",),
           "1 for a model that was started and not stopped since, 0 for others"),
    Metric("edge_agent_restarts", "counter", "restarts", ("model", "cause"),
           "how often the agent has started a model again by itself"),
    Metric("edge_agent_waiting_calls", "gauge", "calls", ("model",), "calls that wait for a worker"),
    Metric("edge_agent_waiting_calls_limit", "gauge", "calls", (), "how many may wait for each model (queue_size)"),
    Metric("edge_agent_workers", "gauge", "processes", ("model",), "worker processes", "DesiredInferenceUnits"),
    Metric("edge_agent_worker_memory_bytes", "gauge", "bytes", ("model",),
           "resident memory of a model's workers, shared pages included"),
    Metric("edge_agent_worker_cpu_seconds", "counter", "seconds", ("model",),
           "processor time of a model's present workers"),
    Metric("edge_agent_connections", "gauge", "connections", (), "clients that are connected"),
    Metric("edge_agent_connections_opened", "counter", "connections", (), "clients that have connected"),
    Metric("edge_agent_memory_available_bytes", "gauge", "bytes", (),
           "memory that the device, or the agent's control group, has left"),
    Metric("edge_agent_shared_memory_free_bytes", "gauge", "bytes", (), "room left in /dev/shm"),
    Metric("edge_agent_shared_memory_size_bytes", "gauge", "bytes", (), "size of /dev/shm"),
    Metric("edge_agent_disk_free_bytes", "gauge", "bytes", (), "room left on the disk of the state folder"),
    Metric("edge_agent_disk_size_bytes", "gauge", "bytes", (), "size of that disk"),
    Metric("edge_agent_gpu_memory_used_bytes", "gauge", "bytes", ("gpu",),
           "memory in use on a GPU that has memory of its own"),
    Metric("edge_agent_gpu_memory_size_bytes", "gauge", "bytes", ("gpu",), "size of that memory"),
    Metric("edge_agent_gpu_utilisation_ratio", "gauge", "", ("gpu",),
           "part of the last moment in which the GPU did something, 0 to 1"),
    Metric("edge_agent_audit_lost_entries", "counter", "entries", (),
           "entries that the audit trail has lost because they could not be written"),
    Metric("edge_agent_records", "counter", "records", (), "verdicts that were written down"),
    Metric("edge_agent_lost_records", "counter", "records", ("reason",),
           "verdicts that could not be written down: not_written in time, or no_room for them in the daemon"),
    Metric("edge_agent_records_bytes", "gauge", "bytes", (), "size of the database of records"),
    Metric("edge_agent_waiting_records", "gauge", "records", (), "verdicts that wait to be written down"),
    Metric("edge_agent_kept_pictures", "counter", "pictures", (), "pictures that were given to be kept"),
    Metric("edge_agent_skipped_pictures", "counter", "pictures", (),
           "pictures that were to be kept and were not: too many came at once, nobody took them, or the disk was full"),
    Metric("edge_agent_camera", "gauge", "", ("model", "state"),
           "1 for how the pictures of a model look: ok, black, dark, bright, blurred or frozen; 0 for the others"),
    Metric("edge_agent_channels_exchanged", "gauge", "", ("model",),
           "1 while the pictures of a running model look as if red and blue were exchanged (BGR for RGB), else 0"),
    Metric("edge_agent_drift_psi", "gauge", "", _VERSION,
           "population stability index of the last scores against those of training or of the first weeks"),
    Metric("edge_agent_drift_ks", "gauge", "", _VERSION,
           "Kolmogorov-Smirnov distance of the same, 0 to 1"),
    Metric("edge_agent_drifted", "gauge", "", _VERSION,
           "1 where scores have drifted, 0 where they have not, or not been compared yet"),
    Metric("edge_agent_shadow_pictures", "counter", "pictures", ("model", "shadow", "version"),
           "pictures of a model that its shadow has judged; `version` is the shadow's"),
    Metric("edge_agent_shadow_disagreements", "counter", "pictures", ("model", "shadow", "version"),
           "of these, those of which it says otherwise"),
    Metric("edge_agent_shadow_skipped_pictures", "counter", "pictures", ("model", "shadow", "version"),
           "pictures that the shadow had no time for"),
    Metric("edge_agent_stored_pictures", "gauge", "pictures", ("kind",), "pictures that are kept on the disk"),
    Metric("edge_agent_stored_pictures_bytes", "gauge", "bytes", ("kind",), "what they take, masks included"),
    Metric("edge_agent_waiting_events", "gauge", "events", ("event",),
           "events that wait to be sent, by the name of their [[event]] table"),
    Metric("edge_agent_oldest_event_seconds", "gauge", "seconds", ("event",),
           "age of the oldest of them; 0 when none waits"),
    Metric("edge_agent_sent_events", "counter", "events", ("event",), "events that were taken by whoever they are for"),
    Metric("edge_agent_failed_sendings", "counter", "attempts", ("event",),
           "attempts to send that failed; the events are sent again"),
    Metric("edge_agent_dropped_events", "counter", "events", ("event",),
           "events that nobody will get: too many waited, they became too late, or the outbox could not be written"),
    Metric("edge_agent_build_info", "gauge", "", ("version", "python"), "always 1; which agent this is"),
)  # fmt: skip

METRICS = {row.name: row for row in _ROWS}
