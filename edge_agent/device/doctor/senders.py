"""Whether the places that events go to can be reached, without telling them anything."""

from __future__ import annotations

import http.client
import os
import socket
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.access.rights import describe_refusal
from edge_agent.records.events.rules import Datagram, File, Gpio, Greengrass, Mqtt, Pipe, Rule, Webhook
from edge_agent.records.events.sender import SendFailed

#: a doctor's patience
_SECONDS = 5.0


def reach(rule: Rule, device: str) -> str:
    """Look for the place that a rule's events go to; returns what was found, in a few words.

    Raises:
        SendFailed, OSError: it can't be reached, or not by this user; the text says why.
    """
    return _LOOKS[type(rule)](rule, device)


def other_name(rule: Rule, before: Sequence[Rule], device: str) -> str:
    """Say what goes wrong where a rule names by another name the broker of a rule before it; "" where nothing does."""
    for other in before:
        if not isinstance(rule, Mqtt) or not isinstance(other, Mqtt) or rule.broker == other.broker:
            continue
        renamed = msgspec.structs.replace(other, host=rule.host)
        if taken := set(rule.takes) & set(renamed.takes):
            thing = min(taken).rpartition(" at ")[0].replace("{device}", device)
            harm = f"both have {thing}, which one alone may have"
        elif rule.payload == other.payload == "json" and rule.available and rule.available == other.available:
            harm = f"both say at {rule.available.format(device=device)} whether the device is there"
        else:
            continue
        if rule.to_port == other.to_port and _addresses(rule.host) & _addresses(other.host):
            return f"{rule.host} and {other.host} of event {other.name} are one broker, and {harm}"
    return ""


def _addresses(host: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _mqtt(rule: Mqtt, device: str) -> str:
    from edge_agent.records.events.mqtt import reach as reach_broker

    reach_broker(rule, device)
    return f"the broker {rule.host}:{rule.to_port} lets this device in"


def _webhook(rule: Webhook, device: str) -> str:
    from edge_agent.records.events.webhook import connection_of

    connection = connection_of(rule, min(_SECONDS, rule.seconds))
    try:
        connection.connect()
    except (http.client.HTTPException, OSError) as error:
        raise SendFailed(f"{rule.url}: {getattr(error, 'strerror', '') or error}") from None
    finally:
        connection.close()
    return f"{rule.url} takes connections"


def _file(rule: File, device: str) -> str:
    path = Path(rule.path)
    place = path if path.exists() else path.parent
    if not place.exists():
        raise SendFailed(f"the folder {path.parent} is not there")
    if not os.access(place, os.W_OK):
        raise SendFailed(f"this user may not write to {place}")
    return f"{path} can be written"


def _datagram(rule: Datagram, device: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.connect(rule.path)
        except OSError as error:
            raise SendFailed(f"nobody listens at {rule.path}: {describe_refusal(error, Path(rule.path))}") from None
    return f"somebody listens at {rule.path}"


def _pipe(rule: Pipe, device: str) -> str:
    path = Path(rule.path)
    if not path.exists():
        return f"{path} is made with the first event"
    if not stat.S_ISFIFO(path.stat().st_mode):
        raise SendFailed(f"{path} is not a named pipe")
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        raise SendFailed(f"nobody reads {path}: {describe_refusal(error, Path(path))}") from None
    return f"somebody reads {path}"


def _gpio(rule: Gpio, device: str) -> str:
    from edge_agent.errors import OutputError
    from edge_agent.hardware.digital_output import DigitalOutput

    output = DigitalOutput(rule.chip, rule.line)
    try:
        user = output.user()
    except OutputError as error:
        raise SendFailed(str(error)) from None
    return f"{output.name} is there, {f'in use by {user}' if user else 'and free'}"


def _greengrass(rule: Greengrass, device: str) -> str:
    from edge_agent.records.events.greengrass import SOCKET

    path = os.environ.get(SOCKET, "")
    if not path:
        return "only a process of a Greengrass component can tell"
    if not Path(path).exists():
        raise SendFailed(f"the nucleus' socket {path} is not there")
    return f"the nucleus' socket is {path}"


_LOOKS: dict[type[Rule], Callable[[Any, str], str]] = {
    Mqtt: _mqtt, Webhook: _webhook, File: _file, Datagram: _datagram, Pipe: _pipe, Gpio: _gpio, Greengrass: _greengrass,
}  # fmt: skip
