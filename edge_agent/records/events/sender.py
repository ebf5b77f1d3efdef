"""What every sender is: something that takes events in order, one place each. Usable without the outbox:

(rule,) = parse_events([{"name": "plc", "sender": "mqtt", "host": "10.1.2.3"}])
sender = sender_of(rule, "press-7")
sender.send([Event(1, payload_of(record, "press-7"))])  # SendFailed or OSError: some may have been taken
sender.close()
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol

from edge_agent.records.events.event import Event
from edge_agent.records.events.rules import Datagram, File, Gpio, Greengrass, Mqtt, Pipe, Rule, Webhook

#: characters of what the other side has said
_LONGEST = 200


class SendFailed(Exception):
    """Whoever the events are for has not taken them; the text says why."""


def foreign(text: str) -> str:
    """Shorten what the other side has said, which may be anything; what we say of it ourselves stays whole."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


class Sender(Protocol):
    """Sends events to one place. Used by one thread at a time."""

    def send(self, events: list[Event]) -> None:
        """Return when all are taken; SendFailed or OSError otherwise, and some of them may have been taken."""

    def idle(self) -> None:
        """Called when there is nothing to send, at the start and now and then."""

    def close(self) -> None:
        """Let go of everything; it may be used again afterwards."""


#: the class for each kind of rule, made with the rule and the device's name, imported only where it is used
_SENDERS: dict[type[Rule], str] = {
    File: "senders_local:FileSender",
    Datagram: "senders_local:DatagramSender",
    Pipe: "senders_local:PipeSender",
    Gpio: "gpio:GpioSender",
    Webhook: "webhook:WebhookSender",
    Mqtt: "mqtt:MqttSender",
    Greengrass: "greengrass:GreengrassSender",
}


def sender_of(rule: Rule, device: str, folder: Path | None = None) -> Sender:
    """Make the sender that a rule wants; it opens nothing yet.

    `folder` is for what a sender has to remember across restarts; without one it remembers nothing.
    """
    module, _, name = _SENDERS[type(rule)].partition(":")
    made = getattr(importlib.import_module(f"edge_agent.records.events.{module}"), name)
    sender: Sender = made(rule, device, folder) if isinstance(rule, Mqtt) else made(rule, device)
    return sender
