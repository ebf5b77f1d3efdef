"""What the figures mean for a line."""

from __future__ import annotations

from typing import Any

from edge_agent.device.bench.measurement import Measured, Sample


def capacity(measured: Measured) -> float:
    """Return how many pictures a second the device inspects at the most, through shared memory."""
    return max(sample.per_second for load, sample in measured.loads.items() if load.way == "shared memory")


def sentence(measured: Measured, parts: float) -> str:
    """Say how busy a line of `parts` a second keeps the device, and how soon its verdicts come."""
    most = capacity(measured)
    alone = min((load for load in measured.loads if load.way == "shared memory"), key=lambda load: load.clients)
    soon = measured.loads[alone].p99
    if parts > most:
        return f"{parts:g} parts a second are too many: this device inspects {most:.1f} a second at the most"
    return (
        f"at {parts:g} parts a second this device is {100 * parts / most:.0f} % busy (it inspects {most:.1f} at the "
        f"most); 99 of 100 verdicts come within {1000 * soon:.1f} ms, and a part passes every {1000 / parts:.0f} ms"
    )


def as_fields(measured: Measured, parts: float) -> dict[str, Any]:
    """Return the figures for another program; times in milliseconds."""
    return {
        "engine_name": measured.engine_name,
        "engine": _fields(measured.engine),
        "pipeline": _fields(measured.pipeline),
        "agent": [
            {"clients": load.clients, "way": load.way, **_fields(sample), "refused": sample.refused}
            for load, sample in measured.loads.items()
        ],
        "capacity_per_second": round(capacity(measured), 2),
        "parts_per_second": parts,
        "busy": round(parts / capacity(measured), 4),
    }


def _fields(sample: Sample) -> dict[str, float]:
    return {
        "p50_ms": round(sample.p50 * 1000, 3),
        "p99_ms": round(sample.p99 * 1000, 3),
        "per_second": round(sample.per_second, 2),
    }
