"""A broker that remembers, and a subscriber that does: mosquitto with a store, killed and started again."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.records.events import delivery
from edge_agent.records.events.post import Post
from edge_agent.records.events.rules import parse_events
from tests.support.broker import MOSQUITTO
from tests.support.daemon import wait_until
from tests.support.ports import free_port, is_open

#: of every file of tests with such a broker
WITH_MOSQUITTO = [
    pytest.mark.long,
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed: apt install mosquitto"),
]


class Broker:
    """mosquitto on a port of loopback, with a store, so that it remembers what it has acknowledged."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "mosquitto.conf"
        self.config.write_text(
            "\n".join([
                f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence true",
                f"persistence_location {folder}/", "autosave_interval 1", "autosave_on_changes true", "user root",
                "max_queued_messages 0", *lines,
            ]) + "\n"
        )  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        assert MOSQUITTO is not None
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen([MOSQUITTO, "-c", str(self.config)], stdout=log, stderr=log)
        wait_until(lambda: is_open(self.port), "mosquitto listens")

    def save(self) -> None:
        """Have it write down what it has to remember, who has subscribed too."""
        assert self.process is not None
        store = self.folder / "mosquitto.db"
        before = store.stat().st_mtime_ns if store.exists() else 0
        self.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: store.exists() and store.stat().st_mtime_ns > before, "the broker has saved")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Subscriber:
    """A client that remembers everything of a broker, also across its restarts."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id="subscriber", clean_session=False)
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.subscribed = False
        self.client.on_subscribe = lambda *_: setattr(self, "subscribed", True)
        self.client.on_message = lambda _, __, message: self.messages.append(
            (message.topic, bytes(message.payload), message.retain)
        )
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        wait_until(lambda: self.subscribed, "it has subscribed: what is published before is not for it")

    def ids(self, prefix: str = "edge-agent/d/echo") -> list[int]:
        return [json.loads(payload)["id"] for topic, payload, _ in list(self.messages) if topic.startswith(prefix)]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def post_to(folder: Path, port: int, **table: Any) -> Post:
    """Send the events of a device `d` to a broker."""
    fields = {"name": "plc", "sender": "mqtt", "host": "127.0.0.1", "port": port, **table}
    return Post(folder, parse_events([fields]), "d")


def make_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what failed tried again soon."""
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(delivery, "_IDLE_SECONDS", 0.2)
