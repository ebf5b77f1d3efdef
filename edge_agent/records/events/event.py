"""An event: what is told of a verdict, of the camera, or of scores. docs/event.schema.json describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from edge_agent.records.condition.notice import Notice
from edge_agent.records.record import Record
from edge_agent.records.span import utc_text


class Event(NamedTuple):
    """An event in the outbox."""

    #: the order of the outbox
    number: int
    #: a JSON object
    payload: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """What it says."""
        told: dict[str, Any] = msgspec.json.decode(self.payload)
        return told

    @property
    def at(self) -> float:
        """When it happened, in seconds since 1970."""
        return _time_of(self.payload).time.timestamp()


class _Timed(msgspec.Struct):
    time: datetime


_time_of = msgspec.json.Decoder(_Timed).decode


def payload_of(record: Record, device: str) -> bytes:
    """Write what is told of a verdict. The id is the record's: who gets an event twice knows it by that."""
    return msgspec.json.encode(
        {
            "id": record.id,
            "time": utc_text(record.at),
            "device": device,
            "model": record.model,
            "version": record.version,
            "verdict": "anomalous" if record.anomalous else "normal",
            "anomaly_score": record.score,
            "anomaly_threshold": record.threshold,
            "confidence": record.confidence,
            "areas": record.areas or {},
            "width": record.width,
            "height": record.height,
            "milliseconds": round(record.milliseconds, 3),
            "part_id": record.part,
            "station": record.station,
            "picture": record.picture,
        }
    )


def payload_of_notice(notice: Notice, device: str) -> bytes:
    """Write what is told of a camera or of scores. What a verdict's topic is made of is there too, and empty."""
    return msgspec.json.encode(
        {
            "id": notice.id,
            "time": utc_text(notice.at),
            "device": device,
            "model": notice.model,
            "version": notice.version,
            "kind": notice.kind,
            "state": notice.state,
            "text": notice.text,
            "verdict": "",
            "station": "",
        }
    )
