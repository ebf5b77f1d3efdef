"""What a broker says when it lets nobody in, or sends somebody away, is told, also when it hangs up at once."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge_agent.records.events.mqtt import MqttSender, reach
from edge_agent.records.events.rules import Mqtt, parse_events
from edge_agent.records.events.sender import SendFailed
from tests.support.daemon import PATIENCE, wait_until

#: answers to a CONNECT: MQTT 5.0, 3.2.2 (not authorized; success) and 3.14 (session taken over); MQTT 3.1.1, 3.2.2
_REFUSED, _TAKEN, _TAKEN_OVER = bytes([0x20, 3, 0, 0x87, 0]), bytes([0x20, 3, 0, 0, 0]), bytes([0xE0, 2, 0x8E, 0])
_REFUSED_311 = bytes([0x20, 2, 0, 5])


class Broker:
    """Answers a CONNECT with what it was told to, when it may, and hangs up."""

    def __init__(self, answer: bytes) -> None:
        self.may_answer = threading.Event()
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def rule(self, **more: Any) -> Mqtt:
        table = {"name": "plc", "sender": "mqtt", "host": "127.0.0.1", "port": self._listener.getsockname()[1]}
        (rule,) = parse_events([table | more])
        assert isinstance(rule, Mqtt)
        return rule

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        with client:
            client.recv(4096)
            self.may_answer.wait(PATIENCE)
            client.sendall(self._answer)

    def close(self) -> None:
        self._thread.join()
        self._listener.close()


@pytest.fixture
def broker() -> Iterator[Callable[[bytes], Broker]]:
    made: list[Broker] = []

    def make(answer: bytes) -> Broker:
        made.append(Broker(answer))
        return made[-1]

    yield make
    for one in made:
        one.close()


class _AsItIsLost(threading.Event):
    """Whoever asks whether the connection is lost finds that it is, however early that was asked."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker

    def is_set(self) -> bool:
        self._broker.may_answer.set()
        return self.wait(PATIENCE)


@pytest.mark.parametrize(("version", "answer"), [("5", _REFUSED), ("3.1.1", _REFUSED_311)])
def test_a_refusal_that_comes_as_the_connection_is_lost_is_told(
    broker: Callable[[bytes], Broker], version: str, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = broker(answer)
    sender = MqttSender(refusing.rule(version=version), "press-7")
    monkeypatch.setattr(sender, "_lost", _AsItIsLost(refusing))
    with pytest.raises(SendFailed, match="refused the connection: Not authorized"):
        sender.idle()
    monkeypatch.undo()
    sender.close()


def test_why_a_broker_ends_a_connection_is_told(
    broker: Callable[[bytes], Broker], caplog: pytest.LogCaptureFixture
) -> None:
    """Another with the same client_id, say, which would else be lost again and again for no reason that is told."""
    ending = broker(_TAKEN + _TAKEN_OVER)
    ending.may_answer.set()
    sender = MqttSender(ending.rule(), "press-7")
    said = rf"{ending.rule().host}:\d+ has ended the connection: Session taken over"
    with pytest.raises(SendFailed, match=said):
        sender.idle()
        wait_until(sender._lost.is_set, "it is lost")
        sender._check(float("inf"))
    with contextlib.suppress(SendFailed):  # the broker is there no more
        ending.close()
        sender.idle()
    assert [re.sub(r":\d+", "", line.message) for line in caplog.records] == [
        "event 'plc': 127.0.0.1 has ended the connection: Session taken over; it is made anew"
    ]


def test_doctor_tells_a_refusal(broker: Callable[[bytes], Broker]) -> None:
    refusing = broker(_REFUSED)
    refusing.may_answer.set()
    with pytest.raises(SendFailed, match="refused the connection: Not authorized"):
        reach(refusing.rule(), "press-7")
