"""The families of metrics, from what was counted and from what is read now, in the order of the table."""

from __future__ import annotations

import asyncio
import platform
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import get_args

from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector

from edge_agent.records.condition.notice import CameraState
from edge_agent.serving.observing.counts import Counts, VersionCounts
from edge_agent.serving.observing.exposition import HistogramFamily, ScalarFamily
from edge_agent.serving.observing.histogram import Histogram
from edge_agent.serving.observing.pace import Pace
from edge_agent.serving.observing.readings import DeviceReading, FrontReading, ReadFront, read_device, read_process
from edge_agent.serving.observing.table import METRICS
from edge_agent.version import __version__

Rows = Iterable[tuple[tuple[str, ...], float]]

_RECENTLY = 1.0  # seconds after a detection, in which the next is taken to be near

_HISTOGRAMS: dict[str, Callable[[VersionCounts], Histogram]] = {
    "edge_agent_call_seconds": lambda counts: counts.call,
    "edge_agent_waiting_seconds": lambda counts: counts.waiting,
    "edge_agent_preparation_seconds": lambda counts: counts.preparation,
    "edge_agent_engine_seconds": lambda counts: counts.engine,
    "edge_agent_mask_seconds": lambda counts: counts.mask,
    "edge_agent_score": lambda counts: counts.scores,
}


class Families:
    """All metrics of one daemon."""

    def __init__(self, counts: Counts, read_front: ReadFront, state_dir: Path) -> None:
        self._counts, self._read_front, self._state_dir = counts, read_front, state_dir
        self._process = ProcessCollector(registry=None)

    def pace(self) -> Pace:
        """Give the pace at which a scrape is written: with rests while calls are coming."""
        return Pace(lambda: time.monotonic() - self._counts.last_detection < _RECENTLY)

    async def gather(self) -> AsyncIterator[Metric | HistogramFamily | ScalarFamily]:
        """Give every family; never for long in one piece."""
        device, own = await asyncio.to_thread(self._look)
        models = self._counts.models()
        for name, histogram in _HISTOGRAMS.items():
            yield HistogramFamily(
                name,
                METRICS[name].help,
                METRICS[name].labels,
                [
                    ((model, version), histogram(counts))
                    for model, found in models
                    for version, counts in sorted(found.versions.items())
                ],
            )
        for family in self._counted():
            yield family
        front = await self._read_front()
        for family in _of_models(front):
            yield family
        processes, pace = [], self.pace()
        for model in front.models:
            readings = [read_process(pid) for pid in model.pids]
            processes.append((model.name, sum(size for size, _ in readings), sum(time for _, time in readings)))
            await pace.step()
        yield _scalar("edge_agent_worker_memory_bytes", (((name,), size) for name, size, _ in processes))
        yield _scalar("edge_agent_worker_cpu_seconds", (((name,), time) for name, _, time in processes))
        for family in _of_front(front, device):
            yield family
        for process_family in own:
            yield process_family

    def _look(self) -> tuple[DeviceReading, list[Metric]]:
        """Look at the device and at this process, with which the library takes half a millisecond."""
        return read_device(self._state_dir), list(self._process.collect())

    def _counted(self) -> Iterable[ScalarFamily]:
        models, counts = self._counts.models(), self._counts
        versions = [
            ((name, version), found) for name, model in models for version, found in sorted(model.versions.items())
        ]
        yield _scalar("edge_agent_pictures", ((labels, found.pictures) for labels, found in versions))
        yield _scalar("edge_agent_anomalies", ((labels, found.anomalies) for labels, found in versions))
        yield _scalar("edge_agent_invalid_pictures", (((name,), model.invalid_pictures) for name, model in models))
        yield _scalar(
            "edge_agent_calls",
            (((name, *call), count) for name, model in models for call, count in model.calls.items()),
        )
        yield _scalar("edge_agent_refused_calls", (((reason,), count) for reason, count in counts.refused.items()))
        yield _scalar(
            "edge_agent_restarts",
            (((name, cause), count) for name, model in models for cause, count in model.restarts.items()),
        )


def _of_models(front: FrontReading) -> Iterable[ScalarFamily]:
    models = front.models
    statuses = Counter(model.status for model in models)
    yield _scalar("edge_agent_models", (((status,), statuses[status]) for status in front.statuses))
    yield _scalar(
        "edge_agent_model_running", (((model.name, model.version), model.status == "RUNNING") for model in models)
    )
    yield _scalar("edge_agent_model_wanted", (((model.name,), model.wanted) for model in models))
    yield _scalar("edge_agent_waiting_calls", (((model.name,), model.waiting) for model in models))
    yield _scalar("edge_agent_workers", (((model.name,), len(model.pids)) for model in models))
    exchanged = [(model.name, model.exchanged) for model in models if model.exchanged is not None]
    yield _scalar("edge_agent_channels_exchanged", (((name,), is_so) for name, is_so in exchanged))
    cameras = [(model.name, model.camera.state) for model in models if model.camera is not None]
    yield _scalar(
        "edge_agent_camera", (((name, state), state == now) for name, now in cameras for state in get_args(CameraState))
    )


def _of_front(front: FrontReading, device: DeviceReading) -> Iterable[ScalarFamily]:
    yield _scalar("edge_agent_waiting_calls_limit", [((), front.queue_size)])
    yield _scalar("edge_agent_connections", [((), front.connections)])
    yield _scalar("edge_agent_connections_opened", [((), front.connections_opened)])
    yield _scalar("edge_agent_audit_lost_entries", [((), front.audit_lost)])
    if front.records is not None:
        yield _scalar("edge_agent_records", [((), front.records.written)])
        yield _scalar("edge_agent_lost_records", (((why,), count) for why, count in front.records.lost.items()))
        yield _scalar("edge_agent_records_bytes", [((), front.records.size)])
        yield _scalar("edge_agent_waiting_records", [((), front.records.waiting)])
        yield _scalar("edge_agent_kept_pictures", [((), front.records.pictures_kept)])
        yield _scalar("edge_agent_skipped_pictures", [((), front.records.pictures_skipped)])
        stock, lines, now = front.records.stock, front.records.events, time.time()
        yield _scalar("edge_agent_stored_pictures", (((kind.kind,), kind.pictures) for kind in stock))
        yield _scalar("edge_agent_stored_pictures_bytes", (((kind.kind,), kind.bytes) for kind in stock))
        yield _scalar("edge_agent_waiting_events", (((line.rule,), line.waiting) for line in lines))
        yield _scalar("edge_agent_sent_events", (((line.rule,), line.sent) for line in lines))
        yield _scalar("edge_agent_failed_sendings", (((line.rule,), line.failed) for line in lines))
        yield _scalar("edge_agent_dropped_events", (((line.rule,), line.dropped) for line in lines))
        yield _scalar(
            "edge_agent_oldest_event_seconds",
            (((line.rule,), max(0.0, now - line.oldest) if line.oldest else 0.0) for line in lines),
        )
        served = {(model.name, model.version) for model in front.models if model.version}
        known = {(one.model, one.version): one for one in front.records.drifts if one.state != "learning"}
        drifts = sorted((labels, one) for labels, one in known.items() if labels in served)
        yield _scalar("edge_agent_drift_psi", ((labels, one.psi) for labels, one in drifts))
        yield _scalar("edge_agent_drift_ks", ((labels, one.ks) for labels, one in drifts))
        looked_at = sorted(served) if front.records.watches_drift else ()
        states = ((labels, known[labels].state if labels in known else "") for labels in looked_at)
        yield _scalar("edge_agent_drifted", ((labels, state == "drifted") for labels, state in states))
    shadows = [((one.model, one.shadow, one.version), one) for one in front.shadows]
    yield _scalar("edge_agent_shadow_pictures", ((labels, one.judged) for labels, one in shadows))
    yield _scalar("edge_agent_shadow_disagreements", ((labels, one.disagreed) for labels, one in shadows))
    yield _scalar("edge_agent_shadow_skipped_pictures", ((labels, one.skipped) for labels, one in shadows))
    if front.memory_available is not None:
        yield _scalar("edge_agent_memory_available_bytes", [((), front.memory_available)])
    for name, room in (("shared_memory", device.shared_memory), ("disk", device.disk)):
        if room is not None:
            yield _scalar(f"edge_agent_{name}_free_bytes", [((), room.free)])
            yield _scalar(f"edge_agent_{name}_size_bytes", [((), room.size)])
    for name, values in (
        ("memory_used_bytes", [(gpu.number, gpu.memory_used) for gpu in device.gpus]),
        ("memory_size_bytes", [(gpu.number, gpu.memory_size) for gpu in device.gpus]),
        ("utilisation_ratio", [(gpu.number, gpu.utilisation) for gpu in device.gpus]),
    ):
        told = [((str(index),), float(value)) for index, value in values if value is not None]
        if told:
            yield _scalar(f"edge_agent_gpu_{name}", told)
    yield _scalar("edge_agent_build_info", [((__version__, platform.python_version()), 1)])


def _scalar(name: str, rows: Rows) -> ScalarFamily:
    metric = METRICS[name]
    return ScalarFamily(name, metric.kind, metric.help, metric.labels, rows)
