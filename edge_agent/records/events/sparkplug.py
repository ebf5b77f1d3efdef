"""Sparkplug B 3.0 (https://sparkplug.eclipse.org/specification/): an edge node that is the device, a device of it for
each model. Its payload is protobuf; here are the fields that are needed of it, with the specification's numbers.

An event's fields are metrics of the model's DDATA. A DBIRTH names them first, and again when there is a new one (an
anomaly with another label).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtobufMessage

from edge_agent.access.rights import describe_refusal
from edge_agent.records.events.event import Event
from edge_agent.records.events.rules import Mqtt
from edge_agent.records.events.talk import Message, level

log = logging.getLogger("edge_agent.events")

_NAMESPACE = "spBv1.0"
_REBIRTH = "Node Control/Rebirth"
#: an event that is older is marked as history: it waited for the broker
_HISTORY_SECONDS = 10.0

_Field = descriptor_pb2.FieldDescriptorProto
_METRIC = (
    (1, "name", _Field.TYPE_STRING), (3, "timestamp", _Field.TYPE_UINT64), (4, "datatype", _Field.TYPE_UINT32),
    (5, "is_historical", _Field.TYPE_BOOL), (11, "long_value", _Field.TYPE_UINT64),
    (13, "double_value", _Field.TYPE_DOUBLE), (14, "boolean_value", _Field.TYPE_BOOL),
    (15, "string_value", _Field.TYPE_STRING),
)  # fmt: skip


def _payload_class() -> type[Any]:
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug_b.proto", package="sparkplug", syntax="proto2")
    payload = file.message_type.add(name="Payload")
    metric = payload.nested_type.add(name="Metric")
    for number, name, kind in _METRIC:
        metric.field.add(name=name, number=number, type=kind, label=_Field.LABEL_OPTIONAL)
    for number, name, label in ((1, "timestamp", _Field.LABEL_OPTIONAL), (3, "seq", _Field.LABEL_OPTIONAL)):
        payload.field.add(name=name, number=number, type=_Field.TYPE_UINT64, label=label)
    payload.field.add(
        name="metrics", number=2, type=_Field.TYPE_MESSAGE, type_name=".sparkplug.Payload.Metric",
        label=_Field.LABEL_REPEATED,
    )  # fmt: skip
    # A pool of its own: another package in the process may have the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("sparkplug.Payload"))


_Payload = _payload_class()


class SparkplugTalk:
    """What an edge node says."""

    def __init__(self, rule: Mqtt, device: str, folder: Path | None = None) -> None:
        self._group = level(rule.group)
        self._node = level(rule.node.format(device=device, name=rule.name))
        self.commands = f"{_NAMESPACE}/{self._group}/NCMD/{self._node}"
        # The number of the connection, 0 to 255: a host knows by it which birth a death belongs to. The next one's is
        # one more, also after a restart (6.4.8): it is kept in `folder`.
        self._path = None if folder is None else folder / f"sparkplug-{rule.name}"
        self._connection = self._remembered()
        self._sequence = 0
        #: by model, the metrics that a host knows, and their last values
        self._known: dict[str, dict[str, Any]] = {}

    def will(self) -> Message:
        self._connection = (self._connection + 1) % 256
        self._remember()
        self._known.clear()
        return self.goodbye()

    def _remembered(self) -> int:
        try:
            return -1 if self._path is None else int(self._path.read_text()) % 256
        except (OSError, ValueError):
            return -1  # the first is 0

    def _remember(self) -> None:
        if self._path is None:
            return
        try:
            new = self._path.with_name(f"{self._path.name}.new")
            new.write_text(f"{self._connection}\n")
            new.replace(self._path)
        except OSError as error:
            log.warning("%s can't be written (%s)", self._path, describe_refusal(error))

    def goodbye(self) -> Message:
        payload = _Payload(timestamp=_now())
        _add(payload, "bdSeq", self._connection, payload.timestamp)
        return Message(self._topic("NDEATH"), payload.SerializeToString())

    def hello(self) -> list[Message]:
        self._sequence = 0
        payload = _Payload(timestamp=_now(), seq=0)
        _add(payload, "bdSeq", self._connection, payload.timestamp)
        _add(payload, _REBIRTH, False, payload.timestamp)
        births = [self._said("DBIRTH", model, values, _now()) for model, values in self._known.items()]
        return [Message(self._topic("NBIRTH"), payload.SerializeToString(), qos=0), *births]

    def tell(self, event: Event) -> list[Message]:
        fields = event.fields
        model = level(str(fields["model"]))
        values = dict(_metrics(fields))
        known = self._known.setdefault(model, {})
        is_new = not known.keys() >= values.keys()
        known |= values
        at = int(event.at * 1000)
        is_old = time.time() - event.at > _HISTORY_SECONDS
        born = [self._said("DBIRTH", model, known, _now())] if is_new else []
        return [*born, self._said("DDATA", model, values, at, is_historical=is_old)]

    def obey(self, payload: bytes) -> list[Message]:
        try:
            command = _Payload.FromString(payload)
        except DecodeError:
            return []
        wanted = any(metric.name == _REBIRTH and metric.boolean_value for metric in command.metrics)
        return self.hello() if wanted else []

    def _said(
        self, kind: str, model: str, values: Mapping[str, Any], at: int, *, is_historical: bool = False
    ) -> Message:
        self._sequence = (self._sequence + 1) % 256
        payload = _Payload(timestamp=_now(), seq=self._sequence)
        for name, value in values.items():
            _add(payload, name, value, at, is_historical=is_historical)
        return Message(f"{self._topic(kind)}/{model}", payload.SerializeToString(), qos=0)

    def _topic(self, kind: str) -> str:
        return f"{_NAMESPACE}/{self._group}/{kind}/{self._node}"


def _now() -> int:
    return time.time_ns() // 1_000_000


def _metrics(fields: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Give the metrics of an event: its fields, and `areas/LABEL` for each label."""
    found = [(name, value) for name, value in fields.items() if name not in ("areas", "device", "model", "time")]
    return found + [(f"areas/{label}", value) for label, value in fields.get("areas", {}).items()]


#: of the specification's 6.4.16: the number of a type
_INT64, _DOUBLE, _BOOLEAN, _STRING = 4, 10, 11, 12


def _add(payload: ProtobufMessage, name: str, value: Any, at: int, *, is_historical: bool = False) -> None:
    metric = payload.metrics.add(name=name, timestamp=at)  # type: ignore[attr-defined]
    if is_historical:
        metric.is_historical = True
    if isinstance(value, bool):
        metric.datatype, metric.boolean_value = _BOOLEAN, value
    elif isinstance(value, int) and name in _WHOLE:
        metric.datatype, metric.long_value = _INT64, value
    elif isinstance(value, int | float):
        metric.datatype, metric.double_value = _DOUBLE, float(value)
    else:
        metric.datatype, metric.string_value = _STRING, str(value)


#: metrics that are whole numbers; a score of 1 is none
_WHOLE = {"id", "width", "height", "bdSeq"}
