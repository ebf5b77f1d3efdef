"""The sender to an MQTT broker, 3.1.1 or 5, by Eclipse Paho: QoS 1, and a retained word whether the device is there.

Only a broker's PUBACK counts as taken. After a lost connection all that it has not acknowledged is sent again, with the
same ids and in the same order.
"""

from __future__ import annotations

import ssl
import threading
import time
from pathlib import Path

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.records.events.event import Event
from edge_agent.records.events.rules import Mqtt
from edge_agent.records.events.sender import SendFailed

_KEEPALIVE = 10  # seconds without a word after which broker and client give each other up, half as much again
_POLL_SECONDS = 0.05


class MqttSender:
    """Publishes events."""

    def __init__(self, rule: Mqtt, device: str) -> None:
        self._rule, self._device = rule, device
        self._available = rule.available.format(device=device)
        self._client: paho.Client | None = None
        self._connected = threading.Event()
        self._lost = threading.Event()
        self._refused = ""

    def send(self, events: list[Event]) -> None:
        client = self._connect()
        sent = []
        for event in events:
            topic = self._topic(event)
            sent.append(client.publish(topic, event.payload, qos=1))
        end = time.monotonic() + self._rule.seconds
        for info in sent:
            while not info.is_published():
                self._check(end)
                info.wait_for_publish(_POLL_SECONDS)

    def _topic(self, event: Event) -> str:
        fields = event.fields
        # What a client calls a station must not become a level, or a wildcard, of a topic.
        values = {name: str(fields[name]).translate(_UNFIT) or "-" for name in ("model", "verdict", "station")}
        return self._rule.topic.format(device=self._device, **values)

    def _check(self, end: float) -> None:
        if self._lost.is_set():
            raise SendFailed(f"the connection to {self._place} was lost")
        if time.monotonic() > end:
            raise SendFailed(f"{self._place} has not acknowledged for {self._rule.seconds:g} s")

    @property
    def _place(self) -> str:
        return f"{self._rule.host}:{self._rule.to_port}"

    def _connect(self) -> paho.Client:
        if self._client is not None and not self._lost.is_set():
            return self._client
        self.close()
        rule = self._rule
        protocol = paho.MQTTv5 if rule.version == "5" else paho.MQTTv311
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=rule.client_id.format(device=self._device),
            protocol=protocol,
            reconnect_on_failure=False,  # what then is sent again, and in which order, is decided here
        )
        self._connected.clear()
        self._lost.clear()
        self._refused = ""
        client.on_connect = self._on_connect
        client.on_disconnect = lambda *_: self._lost.set()
        client.connect_timeout = rule.seconds
        client.max_inflight_messages_set(100)
        client.will_set(self._available, b"offline", qos=1, retain=True)
        if rule.user:
            password = Path(rule.password_file).read_text().strip() if rule.password_file else None
            client.username_pw_set(rule.user, password)
        if rule.tls:
            context = ssl.create_default_context(cafile=rule.ca_file or None)
            if rule.cert_file:
                context.load_cert_chain(rule.cert_file, rule.key_file)
            client.tls_set_context(context)
        client.connect(rule.host, rule.to_port, keepalive=_KEEPALIVE)
        self._client = client
        client.loop_start()
        end = time.monotonic() + rule.seconds
        while not self._connected.wait(_POLL_SECONDS):
            if self._refused:
                raise SendFailed(f"{self._place} refused the connection: {self._refused}")
            self._check(end)
        client.publish(self._available, b"online", qos=1, retain=True)
        return client

    def _on_connect(
        self, client: paho.Client, _: object, flags: paho.ConnectFlags, reason: object, properties: object
    ) -> None:
        if getattr(reason, "is_failure", False):
            self._refused = str(reason)
        else:
            self._connected.set()

    def idle(self) -> None:
        """Be there, also when there is nothing to say."""
        self._connect()

    def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if self._connected.is_set() and not self._lost.is_set():
            gone = client.publish(self._available, b"offline", qos=1, retain=True)
            end = time.monotonic() + 1.0
            while not gone.is_published() and not self._lost.is_set() and time.monotonic() < end:
                gone.wait_for_publish(_POLL_SECONDS)
        client.disconnect()
        client.loop_stop()


_UNFIT = {ord(character): "_" for character in "/+#\0"}
