"""Reading Sparkplug B payloads by the wire format of protobuf alone (https://protobuf.dev/programming-guides/encoding/).

Numbers of fields: the specification's sparkplug_b.proto, 3.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple


class Payload(NamedTuple):
    """A payload; of metrics the value by name, and the names of those that are history."""

    timestamp: int
    seq: int | None
    metrics: dict[str, Any]
    types: dict[str, int]
    history: set[str]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
        elif kind == 1:
            yield number, data[at : at + 8]
            at += 8
        else:
            assert kind == 2, kind
            size, at = _varint(data, at)
            yield number, data[at : at + size]
            at += size


def read(data: bytes) -> Payload:
    """Read a payload."""
    timestamp, seq = 0, None
    metrics: dict[str, Any] = {}
    types: dict[str, int] = {}
    history = set()
    for number, value in _fields(data):
        if number == 1:
            timestamp = value
        elif number == 3:
            seq = value
        elif number == 2:
            metric = dict(_fields(value))
            name = metric[1].decode()
            types[name] = metric[4]
            if 11 in metric:
                metrics[name] = metric[11]
            elif 13 in metric:
                (metrics[name],) = struct.unpack("<d", metric[13])
            elif 14 in metric:
                metrics[name] = bool(metric[14])
            else:
                metrics[name] = metric[15].decode()
            if metric.get(5):
                history.add(name)
    return Payload(timestamp, seq, metrics, types, history)


def rebirth_command() -> bytes:
    """Write what a host says that wants all births again: one metric, Boolean (type 11), true."""
    name = b"Node Control/Rebirth"
    metric = b"\x0a" + bytes([len(name)]) + name + b"\x20\x0b" + b"\x70\x01"
    return b"\x12" + bytes([len(metric)]) + metric
