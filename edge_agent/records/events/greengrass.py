"""The sender to a Greengrass nucleus, by the SDK's IPC: to AWS IoT Core, or to components on the device.

https://docs.aws.amazon.com/greengrass/v2/developerguide/interprocess-communication.html. Works only in a component's
process, which the nucleus gives the address of its socket and a token, and allows by the recipe's accessControl.
"""

from __future__ import annotations

import concurrent.futures
import os
from typing import Any

from edge_agent.records.events.event import Event
from edge_agent.records.events.rules import Greengrass
from edge_agent.records.events.sender import SendFailed, foreign
from edge_agent.records.events.talk import level

#: what the nucleus sets for a component
SOCKET, TOKEN = "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", "SVCUID"  # names


class GreengrassSender:
    """Publishes events through the nucleus."""

    def __init__(self, rule: Greengrass, device: str) -> None:
        self._rule, self._device = rule, device
        self._client: Any = None

    def send(self, events: list[Event]) -> None:
        from awsiot.eventstreamrpc import EventStreamError, EventStreamOperationError

        try:
            client = self._connect()
            # All at once, in order: the nucleus takes a connection's requests one after another.
            answers = [self._publish(client, event) for event in events]
            for answer in answers:
                answer.result(self._rule.seconds)
        except (concurrent.futures.TimeoutError, TimeoutError):
            raise SendFailed(f"the nucleus has not answered for {self._rule.seconds:g} s") from None
        except EventStreamOperationError as error:  # UnauthorizedError, ServiceError
            text = foreign(getattr(error, "message", None) or str(error))
            raise SendFailed(f"the nucleus refused the event: {type(error).__name__} {text}".rstrip()) from None
        except (EventStreamError, RuntimeError) as error:  # awscrt raises RuntimeErrors of its own
            raise SendFailed(f"the connection to the nucleus failed: {foreign(str(error))}".rstrip(": ")) from None

    def _publish(self, client: Any, event: Event) -> Any:
        fields = event.fields
        values = {name: level(str(fields[name])) or "-" for name in ("model", "verdict", "station")}
        topic = self._rule.topic.format(device=level(self._device), **values)
        if self._rule.to == "iot-core":
            # QoS 1: the nucleus keeps it, in its own bounded spool, until the cloud has it.
            return client.publish_to_iot_core_async(topic_name=topic, qos="1", payload=event.payload)
        from awsiot.greengrasscoreipc.model import BinaryMessage, PublishMessage

        message = PublishMessage(binary_message=BinaryMessage(message=event.payload))
        return client.publish_to_topic_async(topic=topic, publish_message=message)

    def _connect(self) -> Any:
        if self._client is None:
            missing = [name for name in (SOCKET, TOKEN) if not os.environ.get(name)]
            if missing:
                raise SendFailed(f"{missing[0]} is not set: this is not a process of a Greengrass component")
            from awsiot import greengrasscoreipc
            from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

            self._client = GreengrassCoreIPCClientV2(greengrasscoreipc.connect(timeout=self._rule.seconds))
        return self._client

    def idle(self) -> None:
        """Be connected, so that what is wrong is known before the first event."""
        self.send([])

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close(executor_wait=False)
