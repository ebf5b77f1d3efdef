"""Messages of a topic, by Eclipse Paho. What was sent while the line was away is left: those parts have gone."""

from __future__ import annotations

import logging
from collections.abc import Callable

from paho.mqtt import client as paho
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.access.rights import describe_refusal
from edge_agent.line.sources.source import SourceFailed
from edge_agent.line.tables.basics import Broker
from edge_agent.line.trying import Trying
from edge_agent.records.events.mqtt import KEEPALIVE, make_client

log = logging.getLogger("edge_agent.line")

_POLL_SECONDS = 0.2


class MqttListener:
    """Subscribes, and keeps subscribed, until it is closed."""

    def __init__(self, table: Broker, client_id: str, heard: Callable[[str, bytes], None]) -> None:
        """Begin; `heard` gets each message's topic and payload, in a thread of its own."""
        self._table, self._client_id, self._heard = table, client_id, heard
        self._refused = ""
        self._trying = Trying(self._listen, self._name)
        self._trying.start()

    @property
    def problem(self) -> str:
        """Why nothing can be heard; "" when it can."""
        return self._trying.problem

    @property
    def _name(self) -> str:
        return f"the MQTT broker {self._table.host}:{self._table.to_port}"

    def _listen(self) -> None:
        self._refused = ""
        try:
            client = make_client(self._table, self._table.client_id or self._client_id)
            client.on_connect = self._on_connect
            client.on_subscribe = self._on_subscribe
            client.on_message = self._on_message
            client.connect(self._table.host, self._table.to_port, keepalive=KEEPALIVE)
        except (OSError, ValueError) as error:
            why = describe_refusal(error) if isinstance(error, OSError) else error
            raise SourceFailed(f"{self._name} can't be reached: {why}") from None
        try:
            while not self._trying.ending.is_set():
                if client.loop(_POLL_SECONDS) != paho.MQTT_ERR_SUCCESS:
                    raise SourceFailed(self._refused or f"the connection to {self._name} was lost")
                if self._refused:
                    raise SourceFailed(self._refused)
        finally:
            client.disconnect()

    def _on_connect(self, client: paho.Client, _: object, flags: object, reason: object, properties: object) -> None:
        if getattr(reason, "is_failure", False):
            self._refused = f"{self._name} refused the connection: {reason}"
        else:
            client.subscribe(self._table.topic, qos=self._table.qos)

    def _on_subscribe(
        self, client: paho.Client, _: object, mid: int, reasons: list[ReasonCode], properties: object
    ) -> None:
        if reasons and reasons[0].is_failure:
            self._refused = f"{self._name} refused the topic '{self._table.topic}': {reasons[0]}"
        else:
            self._trying.well()

    def _on_message(self, client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        if message.retain:
            log.warning("a retained message of %s is no part that comes now, and was left", message.topic)
        else:
            self._heard(message.topic, bytes(message.payload))

    def close(self) -> None:
        """Listen no longer."""
        self._trying.close()
