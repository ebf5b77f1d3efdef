"""The sender to an MQTT broker, 3.1.1 or 5, by Eclipse Paho; talk.py and sparkplug.py say what is said.

At QoS 1 only a broker's PUBACK counts as taken. After a lost connection all that it has not acknowledged is sent again,
with the same ids and in the same order.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from pathlib import Path
from typing import Protocol

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.records.events.event import Event
from edge_agent.records.events.rules import Mqtt
from edge_agent.records.events.sender import SendFailed, foreign
from edge_agent.records.events.talk import JsonTalk, Message, Talk

log = logging.getLogger("edge_agent.records")

KEEPALIVE = 10  # seconds without a word after which broker and client give each other up, half as much again
_POLL_SECONDS = 0.05


class MqttSender:
    """Publishes events."""

    def __init__(self, rule: Mqtt, device: str, folder: Path | None = None) -> None:
        self._rule, self._device = rule, device
        self._talk = _talk(rule, device, folder)
        self._lock = threading.Lock()  # Paho calls from a thread of its own
        self._client: paho.Client | None = None
        self._connected = threading.Event()
        self._lost = threading.Event()
        self._refused = self._not_taken = self._farewell = self._logged = ""

    def send(self, events: list[Event]) -> None:
        client = self._connect()
        self._not_taken = ""
        sent = []
        for event in events:
            with self._lock:
                sent += [_publish(client, message) for message in self._talk.tell(event)]
        end = time.monotonic() + self._rule.seconds
        for info in sent:
            while not self._is_published(info):
                self._check(end)
        if self._not_taken:
            raise SendFailed(f"{self._place} has not taken an event: {self._not_taken}")

    def _is_published(self, info: paho.MQTTMessageInfo) -> bool:
        """Tell, after a moment, whether the broker has a message."""
        try:
            info.wait_for_publish(_POLL_SECONDS)
            return info.is_published()
        except RuntimeError:  # the connection ended when it was to be sent
            raise self._lost_connection() from None

    def _on_publish(self, _: paho.Client, __: object, number: int, reason: object, ___: object) -> None:
        if getattr(reason, "is_failure", False):  # said with MQTT 5 alone: not authorized, quota exceeded, …
            self._not_taken = foreign(str(reason))

    def _check(self, end: float) -> None:
        if self._lost.is_set():
            raise self._lost_connection()
        if time.monotonic() > end:
            raise SendFailed(f"{self._place} has not acknowledged for {self._rule.seconds:g} s")

    def _lost_connection(self) -> SendFailed:
        if self._farewell:
            return SendFailed(f"{self._place} has ended the connection: {self._farewell}")
        return SendFailed(f"the connection to {self._place} was lost")

    @property
    def _place(self) -> str:
        return f"{self._rule.host}:{self._rule.to_port}"

    def _connect(self) -> paho.Client:
        if self._client is not None and not self._lost.is_set():
            return self._client
        if self._farewell and self._farewell != self._logged:  # once: it may come again every second
            self._logged = self._farewell
            log.warning("event '%s': %s; it is made anew", self._rule.name, self._lost_connection())
        self.close()
        rule = self._rule
        client = make_client(rule, rule.client_of(self._device))
        self._connected.clear()
        self._lost.clear()
        self._refused = self._farewell = ""
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.max_inflight_messages_set(100)
        if (will := self._talk.will()) is not None:
            client.will_set(*will)
        try:
            client.connect(rule.host, rule.to_port, keepalive=KEEPALIVE)
        except OSError as error:
            raise SendFailed(f"{self._place}: {error.strerror or error}") from None
        self._client = client
        client.loop_start()
        end = time.monotonic() + rule.seconds
        while not self._connected.wait(_POLL_SECONDS):
            is_lost = self._lost.is_set()  # first: what the broker has said is there by then
            if self._refused:
                raise SendFailed(f"{self._place} refused the connection: {self._refused}")
            if is_lost:
                raise SendFailed(_closed(rule, self._place))
            self._check(end)
        if self._talk.commands:
            client.subscribe(self._talk.commands, qos=1)
        with self._lock:
            for message in self._talk.hello():
                _publish(client, message)
        return client

    def _on_message(self, client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        with self._lock:
            for answer in self._talk.obey(bytes(message.payload)):
                _publish(client, answer)

    def _on_connect(
        self, client: paho.Client, _: object, flags: paho.ConnectFlags, reason: object, properties: object
    ) -> None:
        if getattr(reason, "is_failure", False):
            self._refused = foreign(str(reason))
        else:
            self._connected.set()

    def _on_disconnect(
        self, _: paho.Client, __: object, flags: paho.DisconnectFlags, reason: object, properties: object
    ) -> None:
        if flags.is_disconnect_packet_from_server:  # with MQTT 5 a broker may say why
            self._farewell = foreign(str(reason))
        self._lost.set()

    def idle(self) -> None:
        """Be there, also when there is nothing to say."""
        self._connect()

    def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        goodbye = self._talk.goodbye()
        if goodbye is not None and self._connected.is_set() and not self._lost.is_set():
            gone = _publish(client, goodbye)
            end = time.monotonic() + 1.0
            while not gone.is_published() and not self._lost.is_set() and time.monotonic() < end:
                gone.wait_for_publish(_POLL_SECONDS)
        client.disconnect()
        client.loop_stop()


def _closed(rule: Mqtt, place: str) -> str:
    """Say what it may mean that a broker ends a connection before it has answered: with TLS 1.3 it says no more."""
    if not rule.tls:
        meant = "is that port one for TLS (tls = true)?"
    elif not rule.cert_file:
        meant = "does it want a certificate of this device (cert_file, key_file)?"
    else:
        meant = f"does it trust the certificate {rule.cert_file}?"
    return f"{place} closed the connection without an answer; {meant}"


def _publish(client: paho.Client, message: Message) -> paho.MQTTMessageInfo:
    return client.publish(message.topic, message.payload, message.qos, message.retain)


def _talk(rule: Mqtt, device: str, folder: Path | None) -> Talk:
    if rule.payload == "json":
        return JsonTalk(rule, device)
    from edge_agent.records.events.sparkplug import SparkplugTalk

    return SparkplugTalk(rule, device, folder)


class Access(Protocol):
    """How to get into a broker."""

    @property
    def version(self) -> str:
        """3.1.1 or 5."""

    @property
    def seconds(self) -> float:
        """The broker has to answer within this time."""

    @property
    def user(self) -> str:
        """Empty for none."""

    @property
    def password_file(self) -> str:
        """Empty for none."""

    @property
    def tls(self) -> bool:
        """Whether it is encrypted; the files are for that."""

    @property
    def ca_file(self) -> str:
        """Empty: the device's authorities."""

    @property
    def cert_file(self) -> str:
        """Empty for none."""

    @property
    def key_file(self) -> str:
        """Empty for none."""


def make_client(rule: Access, client_id: str) -> paho.Client:
    """Make a client with what a rule says of user and certificates, not yet connected.

    Raises:
        OSError: one of the files can't be read, or is none.
    """
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=paho.MQTTv5 if rule.version == "5" else paho.MQTTv311,
        reconnect_on_failure=False,  # what then is sent again, and in which order, is decided here
    )
    client.connect_timeout = rule.seconds
    if rule.user:
        password = Path(rule.password_file).read_text().strip() if rule.password_file else None
        client.username_pw_set(rule.user, password)
    if rule.tls:
        context = ssl.create_default_context(cafile=rule.ca_file or None)
        if rule.cert_file:
            context.load_cert_chain(rule.cert_file, rule.key_file)
        client.tls_set_context(context)
    return client


def reach(rule: Mqtt, device: str) -> None:
    """See whether the broker lets this device in, without saying anything there.

    Raises:
        SendFailed, OSError: it does not.
    """
    client = make_client(rule, f"{rule.client_of(device)}-doctor")
    answers: list[object] = []
    client.on_connect = lambda _, __, ___, reason, ____: answers.append(reason)
    place = f"{rule.host}:{rule.to_port}"
    try:
        client.connect(rule.host, rule.to_port, keepalive=KEEPALIVE)
    except OSError as error:
        raise SendFailed(f"{place}: {error.strerror or error}") from None
    end = time.monotonic() + rule.seconds
    while not answers and time.monotonic() < end:
        if client.loop(_POLL_SECONDS) != paho.MQTT_ERR_SUCCESS and not answers:
            raise SendFailed(_closed(rule, place))
    client.disconnect()
    if not answers:
        raise SendFailed(f"{place} has not answered for {rule.seconds:g} s")
    if getattr(answers[0], "is_failure", False):
        raise SendFailed(f"{place} refused the connection: {answers[0]}")
