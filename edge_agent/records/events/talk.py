"""What is said to an MQTT broker, without the saying: topics and payloads, as JSON of our own. sparkplug.py is another.

A talk begins anew with every connection: the will, then what is said when connected, then events, then the goodbye.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from edge_agent.records.events.event import Event
from edge_agent.records.events.rules import Mqtt


class Message(NamedTuple):
    """What is published."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


class Talk(Protocol):
    """What is said."""

    #: a topic to listen to; "" for none
    commands: str

    def will(self) -> Message | None:
        """Begin anew; returns what the broker is to say when the device is lost, None for nothing."""

    def hello(self) -> list[Message]:
        """Say that the device is there."""

    def tell(self, event: Event) -> list[Message]:
        """Tell of an event."""

    def obey(self, payload: bytes) -> list[Message]:
        """Answer what arrived on the topic of commands."""

    def goodbye(self) -> Message | None:
        """Say that the device goes; None for nothing."""


class JsonTalk:
    """An event's JSON, and a retained word whether the device is there."""

    commands = ""

    def __init__(self, rule: Mqtt, device: str) -> None:
        self._rule, self._device = rule, device
        self._available = rule.available.format(device=device)

    def will(self) -> Message | None:
        return self.goodbye()

    def hello(self) -> list[Message]:
        return [Message(self._available, b"online", retain=True)] if self._available else []

    def tell(self, event: Event) -> list[Message]:
        fields = event.fields
        # What a client calls a station must not become a level, or a wildcard, of a topic.
        values = {name: level(str(fields[name])) or "-" for name in ("model", "verdict", "station")}
        return [Message(self._rule.topic.format(device=self._device, **values), event.payload)]

    def obey(self, payload: bytes) -> list[Message]:
        return []

    def goodbye(self) -> Message | None:
        return Message(self._available, b"offline", retain=True) if self._available else None


def level(text: str) -> str:
    """Make a text fit to be one level of a topic."""
    return text.translate(_UNFIT)


#: also control characters, for which a broker may end the connection: MQTT 5.0, 1.5.4
_UNFIT = dict.fromkeys([*map(ord, "/+#"), *range(32), *range(127, 160)], "_")
