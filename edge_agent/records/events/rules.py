"""The `[[event]]` tables of the configuration: which verdicts go where. All of it is checked when the daemon starts."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import SettingsError
from edge_agent.hardware.digital_output import MISSING
from edge_agent.hardware.library import is_installed
from edge_agent.records.condition.notice import Notice
from edge_agent.records.record import Record

#: what a topic may be made of
TOPIC_FIELDS = ("device", "model", "verdict", "station")

_Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="sender"):
    """What all rules have. The name is that of the rule's line in the outbox: to change it is to begin a new one."""

    name: _Name
    verdicts: Literal["all", "anomalous", "normal", "none"] = "all"
    #: also when the camera has changed, when scores have drifted, and when that is over
    notices: bool = False
    #: empty: every model's
    models: tuple[str, ...] = ()
    stations: tuple[str, ...] = ()
    #: events that may wait, and which of them stay when there are more
    most: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    keep: Literal["newest", "oldest"] = "newest"
    #: an event that has become older is dropped and not sent; 0: none ever is
    late_seconds: Annotated[float, Meta(ge=0)] = 0.0

    @property
    def at_once(self) -> int:
        """Events that are sent together."""
        return 100

    def wants(self, record: Record) -> bool:
        """Tell whether a verdict is told."""
        if self.verdicts == "none":
            return False
        if self.verdicts != "all" and record.anomalous != (self.verdicts == "anomalous"):
            return False
        if self.models and record.model not in self.models:
            return False
        return not self.stations or record.station in self.stations

    def wants_notice(self, notice: Notice) -> bool:
        """Tell whether it is told that a camera or scores have changed."""
        return self.notices and (not self.models or notice.model in self.models)

    def __post_init__(self) -> None:
        if self.verdicts == "none" and not self.notices:
            raise ValueError('verdicts is "none" and notices is false, so that nothing would be told')

    def check(self) -> None:
        """Raise ValueError for what can't be right."""


class File(Rule, frozen=True, kw_only=True, tag="file"):
    """Lines of a file, JSON or CSV. A file of `most_mib` becomes PATH.1, and a new one is begun."""

    path: str
    format: Literal["json", "csv"] = "json"
    most_mib: Annotated[int, Meta(ge=1)] = 64

    def check(self) -> None:
        _check_absolute(self.path)
        if self.format == "csv" and self.notices:
            raise ValueError(
                'a file of format "csv" has columns for verdicts alone, expected notices = false, or "json"'
            )


class Datagram(Rule, frozen=True, kw_only=True, tag="datagram"):
    """A datagram to a Unix socket, for a program on the device."""

    path: str

    def check(self) -> None:
        _check_absolute(self.path)
        if len(self.path.encode()) > 107:
            raise ValueError(f"path '{self.path}' has more than the 107 bytes that a socket's may have")


class Pipe(Rule, frozen=True, kw_only=True, tag="pipe"):
    """A JSON line into a named pipe, which is made if it is not there."""

    path: str

    def check(self) -> None:
        _check_absolute(self.path)


class Gpio(Rule, frozen=True, kw_only=True, tag="gpio"):
    """A pulse on a digital output. An old event gives none: the part has gone by."""

    chip: str
    line: Annotated[int, Meta(ge=0)] | Annotated[str, Meta(min_length=1)]
    pulse_ms: Annotated[float, Meta(gt=0, le=1000)] = 100.0
    #: the least time between two pulses
    pause_ms: Annotated[float, Meta(ge=0, le=1000)] = 20.0
    active_low: bool = False
    #: the level that the line is left at
    at_end: Literal["inactive", "active"] = "inactive"
    late_seconds: Annotated[float, Meta(ge=0)] = 1.0

    @property
    def at_once(self) -> int:
        """One pulse, so that the next event is looked at when it is its turn."""
        return 1

    def check(self) -> None:
        _check_absolute(self.chip, "chip")
        if not is_installed("gpiod"):
            raise ValueError(MISSING)


class Webhook(Rule, frozen=True, kw_only=True, tag="webhook"):
    """An HTTP POST of up to 100 events."""

    url: str
    #: file of the key that requests are signed with; empty: they are not
    secret_file: str = ""
    #: PEM file of the authorities that may have signed the server's certificate; empty: the system's
    ca_file: str = ""
    seconds: Annotated[float, Meta(gt=0, le=300)] = 10.0

    def check(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url '{self.url}' is not one such as https://mes.example/verdicts")
        _ = parts.port  # ValueError when it is none
        _check_files(self.secret_file, self.ca_file)


class Mqtt(Rule, frozen=True, kw_only=True, tag="mqtt"):
    """A message at QoS 1 to an MQTT broker, and a retained one that says whether this device is there."""

    host: str
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    version: Literal["5", "3.1.1"] = "5"
    topic: str = "edge-agent/{device}/{model}"
    #: where `online` or `offline` stands
    available: str = "edge-agent/{device}/available"
    client_id: str = "edge-agent-{device}"
    user: str = ""
    password_file: str = ""
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    seconds: Annotated[float, Meta(gt=0, le=300)] = 10.0
    #: JSON on `topic`, or Sparkplug B, whose topics are the specification's, in the group `group`
    payload: Literal["json", "sparkplug"] = "json"
    group: str = "edge-agent"

    def check(self) -> None:
        if not self.group or re.search("[/+#\0]", self.group):
            raise ValueError(f"group '{self.group}' is not one, expected a name without /, + and #")
        _check_topic("topic", self.topic, TOPIC_FIELDS)
        _check_topic("available", self.available, TOPIC_FIELDS[:1])
        _check_topic("client_id", self.client_id, TOPIC_FIELDS[:1])
        if self.payload == "sparkplug" and self.notices:
            raise ValueError(
                'the payload "sparkplug" has metrics for verdicts alone, expected notices = false, or "json"'
            )
        if (self.ca_file or self.cert_file or self.key_file) and not self.tls:
            raise ValueError("ca_file, cert_file and key_file need tls = true")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file belong together")
        _check_files(self.password_file, self.ca_file, self.cert_file, self.key_file)

    @property
    def to_port(self) -> int:
        """The broker's port."""
        return self.port or (8883 if self.tls else 1883)


class Greengrass(Rule, frozen=True, kw_only=True, tag="greengrass"):
    """A message through the Greengrass nucleus, to AWS IoT Core or to components on the device."""

    to: Literal["iot-core", "local"] = "iot-core"
    topic: str = "edge-agent/{device}/{model}"
    seconds: Annotated[float, Meta(gt=0, le=300)] = 10.0

    def check(self) -> None:
        _check_topic("topic", self.topic, TOPIC_FIELDS)
        if not is_installed("awsiot"):
            raise ValueError("it needs the package awsiotsdk: pip install 'edge-agent[greengrass]'")


AnyRule = File | Datagram | Pipe | Gpio | Webhook | Mqtt | Greengrass
_KINDS = {
    "file": File, "datagram": Datagram, "pipe": Pipe, "gpio": Gpio, "webhook": Webhook, "mqtt": Mqtt,
    "greengrass": Greengrass,
}  # fmt: skip


def parse_events(tables: Sequence[Mapping[str, Any]]) -> tuple[AnyRule, ...]:
    """Read the `[[event]]` tables.

    Raises:
        SettingsError: one of them is wrong; the text names it and the key.
    """
    rules: list[AnyRule] = []
    for number, table in enumerate(tables, 1):
        what = f"event '{table['name']}'" if isinstance(table.get("name"), str) else f"event number {number}"
        kind = _KINDS.get(str(table.get("sender")))
        if kind is None:
            raise SettingsError(f"{what}: sender is '{table.get('sender', '')}', expected one of {', '.join(_KINDS)}")
        try:
            rule = msgspec.convert(dict(table), kind)
            rule.check()
        except (msgspec.ValidationError, ValueError) as error:
            text = str(error).replace("`", "'").replace(" - at '$.", " at key '")
            raise SettingsError(f"{what}: {text}") from None
        if rule.name in {other.name for other in rules}:
            raise SettingsError(f"{what}: there are two of that name")
        rules.append(rule)
    return tuple(rules)


def _check_topic(key: str, text: str, allowed: Sequence[str]) -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    if names - set(allowed) or not text or re.search("[+#\0]", text):
        filled_in = ", ".join(f"{{{name}}}" for name in allowed)
        raise ValueError(f"{key} '{text}' is not one, expected no + and #, and only {filled_in} to fill in")


def _check_absolute(path: str, key: str = "path") -> None:
    if not path.startswith("/"):
        raise ValueError(f"{key} '{path}' does not begin with /")


def _check_files(*paths: str) -> None:
    for path in filter(None, paths):
        try:
            with Path(path).open("rb"):
                pass
        except OSError as error:
            raise ValueError(f"{path} can't be read: {describe_refusal(error)}") from None
