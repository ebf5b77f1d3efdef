"""The `[[event]]` tables of the configuration: which verdicts go where. All of it is checked when the daemon starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge_agent.errors import SettingsError
from edge_agent.hardware.digital_output import MISSING
from edge_agent.hardware.library import is_installed
from edge_agent.records.condition.notice import Notice
from edge_agent.records.events.checks import (
    check_absolute,
    check_host,
    check_pem,
    check_secrets,
    check_topic,
    check_url,
    wrong_key,
)
from edge_agent.records.record import Record

#: what a topic may be made of
TOPIC_FIELDS = ("device", "model", "verdict", "station")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="sender"):
    """What all rules have. The name is that of the rule's line in the outbox: to change it is to begin a new one."""

    name: str
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

    @property
    def takes(self) -> tuple[str, ...]:
        """What it has for itself, in words: no other rule may have any of it."""
        return ()

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

    @property
    def takes(self) -> tuple[str, ...]:
        return (f"path '{self.path}'",)

    def check(self) -> None:
        check_absolute(self.path)
        if self.format == "csv" and self.notices:
            raise ValueError(
                'a file of format "csv" has columns for verdicts alone, expected notices = false, or "json"'
            )


class Datagram(Rule, frozen=True, kw_only=True, tag="datagram"):
    """A datagram to a Unix socket, for a program on the device."""

    path: str

    def check(self) -> None:
        check_absolute(self.path)
        if len(self.path.encode()) > 107:
            raise ValueError(f"path '{self.path}' has more than the 107 bytes that a socket's may have")


class Pipe(Rule, frozen=True, kw_only=True, tag="pipe"):
    """A JSON line into a named pipe, which is made if it is not there."""

    path: str

    def check(self) -> None:
        check_absolute(self.path)


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
    def takes(self) -> tuple[str, ...]:
        return (f"line {self.line} of {self.chip}",)

    @property
    def at_once(self) -> int:
        """One pulse, so that the next event is looked at when it is its turn."""
        return 1

    def check(self) -> None:
        check_absolute(self.chip, "chip")
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
        check_url(self.url)
        check_secrets(secret_file=self.secret_file)
        check_pem(ca_file=self.ca_file)


class Mqtt(Rule, frozen=True, kw_only=True, tag="mqtt"):
    """A message at QoS 1 to an MQTT broker, and a retained one that says whether this device is there."""

    host: str
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    version: Literal["5", "3.1.1"] = "5"
    topic: str = "edge-agent/{device}/{model}"
    #: where `online` or `offline` stands; empty: nowhere
    available: str = "edge-agent/{device}/available"
    client_id: str = "edge-agent-{device}-{name}"
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
    #: what Sparkplug calls the device
    node: str = "{device}"

    @property
    def takes(self) -> tuple[str, ...]:
        # A broker sends the first away when a second comes with its name: MQTT 5.0, 3.1.4.
        client_id = self.client_id.replace("{name}", self.name)
        taken = [f"client_id '{client_id}' at {self.broker}"]
        if self.payload == "sparkplug":  # births and deaths of two would be taken for each other's
            node = self.node.replace("{name}", self.name)
            taken.append(f"node '{node}' of group '{self.group}' at {self.broker}")
        return tuple(taken)

    def client_of(self, device: str) -> str:
        """Return the name that a broker knows this rule's client by."""
        return self.client_id.format(device=device, name=self.name)

    def check(self) -> None:
        check_host(self.host)
        if not self.group or re.search("[/+#\0]", self.group):
            raise ValueError(f"group '{self.group}' is not one, expected a name without /, + and #")
        check_topic("topic", self.topic, TOPIC_FIELDS)
        if self.available:
            check_topic("available", self.available, TOPIC_FIELDS[:1])
        check_topic("client_id", self.client_id, ("device", "name"))
        check_topic("node", self.node, ("device", "name"))
        if self.payload == "sparkplug" and self.notices:
            raise ValueError(
                'the payload "sparkplug" has metrics for verdicts alone, expected notices = false, or "json"'
            )
        if (self.ca_file or self.cert_file or self.key_file) and not self.tls:
            raise ValueError("ca_file, cert_file and key_file need tls = true")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file belong together")
        if self.password_file and not self.user:
            raise ValueError("password_file is given, and no user")
        check_secrets(password_file=self.password_file)
        check_pem(ca_file=self.ca_file, cert_file=self.cert_file, key_file=self.key_file)

    @property
    def to_port(self) -> int:
        """The broker's port."""
        return self.port or (8883 if self.tls else 1883)

    @property
    def broker(self) -> str:
        """The broker as the table names it; two names of one are two, since none is asked for before it is needed."""
        return f"{self.host.lower().rstrip('.')}:{self.to_port}"


class Greengrass(Rule, frozen=True, kw_only=True, tag="greengrass"):
    """A message through the Greengrass nucleus, to AWS IoT Core or to components on the device."""

    to: Literal["iot-core", "local"] = "iot-core"
    topic: str = "edge-agent/{device}/{model}"
    seconds: Annotated[float, Meta(gt=0, le=300)] = 10.0

    def check(self) -> None:
        check_topic("topic", self.topic, TOPIC_FIELDS)
        if not is_installed("awsiot"):
            raise ValueError("it needs the package awsiotsdk: pip install 'edge-agent[greengrass]'")


AnyRule = File | Datagram | Pipe | Gpio | Webhook | Mqtt | Greengrass
_KINDS: dict[str, type[AnyRule]] = {
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
            if said := wrong_key(table, kind):
                raise ValueError(said)
            rule = msgspec.convert(dict(table), kind)
            rule.check()
        except (msgspec.ValidationError, ValueError) as error:
            text = str(error).replace("`", "'").replace(" - at '$.", " at key '")
            raise SettingsError(f"{what}: {text}") from None
        if rule.name in {other.name for other in rules}:
            raise SettingsError(f"{what}: there are two of that name")
        for taken in rule.takes:
            if (other := next((other for other in rules if taken in other.takes), None)) is not None:
                raise SettingsError(f"{what}: {taken} is that of event '{other.name}' already")
        rules.append(_leave_available(rule, rules))
    return tuple(rules)


def _leave_available(rule: AnyRule, before: Sequence[AnyRule]) -> AnyRule:
    """Leave a topic that says whether the device is there to the first rule that has it.

    If each connection had it as its last will, the end of one would say `offline` of a device that is there.
    """
    taken = {(other.broker, other.available) for other in before if isinstance(other, Mqtt) and other.payload == "json"}
    if isinstance(rule, Mqtt) and rule.payload == "json" and (rule.broker, rule.available) in taken:
        return msgspec.structs.replace(rule, available="")
    return rule
