"""Lines whose parts are sent, and lines whose parts are announced: each way, through real processes."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from PIL import Image

from tests.support.broker import MOSQUITTO, broker
from tests.support.camera import camera
from tests.support.daemon import PATIENCE, Daemon, wait_until
from tests.support.fakes import picture
from tests.support.gpio import MISSING, Chip
from tests.support.line import CYCLE_MS, Line
from tests.support.ports import free_port

pytestmark = pytest.mark.long

NORMAL, ANOMALOUS = 60, 220
BARRIER, EARLY = 4, 2


def _png(brightness: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(brightness)).save(file, "PNG")
    return file.getvalue()


def _post(port: int, body: bytes, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def _part(line: Line, name: str) -> dict[str, Any]:
    def find() -> dict[str, Any] | None:
        return next((event for event in line.events() if event.get("part_id") == name), None)

    found: dict[str, Any] = wait_until(find, f"part {name} is told: {line.log()}")
    return found


@pytest.fixture
def client(tmp_path: Path) -> Iterator[tuple[paho.Client, int]]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    port = free_port()
    with broker(tmp_path, port):
        made = paho.Client(CallbackAPIVersion.VERSION2)
        made.connect("127.0.0.1", port)
        made.loop_start()
        yield made, port
        made.disconnect()
        made.loop_stop()


def test_a_picture_that_is_posted_is_answered_with_its_decision(agent: Daemon, make: Callable[..., Line]) -> None:
    port = free_port()
    line = make(agent.socket, source=f'kind = "http"\nport = {port}\npath = "/part"')
    line.start()
    line.wait_able()
    status, said = _post(port, _png(ANOMALOUS), "/part?part=4711")
    assert (status, said["outcome"], said["verdict"], said["part_id"]) == (200, "reject", "anomalous", "4711")
    assert _part(line, "4711") == said, "the answer is the event"
    line.wait_pin("reject", "1")
    status, said = _post(port, _png(2), "/part")
    assert (status, said["outcome"], said["verdict"]) == (503, "failed", "")
    assert "black" in said["reason"]
    line.wait_able()
    status, said = _post(port, b"", "/part")
    assert (status, said["outcome"]) == (503, "failed")
    line.wait_able()
    assert _post(port, _png(NORMAL), "/part")[1]["outcome"] == "pass"


def test_a_picture_per_message_and_a_broker_that_goes_away(
    agent: Daemon, make: Callable[..., Line], tmp_path: Path
) -> None:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    port = free_port()
    line = make(agent.socket, source=f'kind = "mqtt"\nhost = "127.0.0.1"\nport = {port}\ntopic = "parts/+"')
    line.start()
    wait_until(lambda: "can't be reached: Connection refused" in line.log(), "the broker is missed")
    for _ in range(2):
        with broker(tmp_path, port):
            line.wait_able()
            made = paho.Client(CallbackAPIVersion.VERSION2)
            made.connect("127.0.0.1", port)
            made.loop_start()
            made.publish("parts/4711", _png(ANOMALOUS), qos=1).wait_for_publish(PATIENCE)
            assert _part(line, "4711")["outcome"] == "reject"
            made.publish("parts/4712", b"no picture", qos=1).wait_for_publish(PATIENCE)
            assert _part(line, "4712")["outcome"] == "failed"
            made.disconnect()
            made.loop_stop()
        line.wait_safe()
        (line.folder / "events").write_text("")


def test_a_source_that_was_never_there_is_not_called_able(agent: Daemon, make: Callable[..., Line]) -> None:
    with socket.socket() as silent:  # takes connections, and never answers as a broker
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        line = make(agent.socket, source=f'kind = "mqtt"\nhost = "127.0.0.1"\nport = {port}\ntopic = "parts/+"')
        line.start()
        wait_until(lambda: "can't inspect: the MQTT broker" in line.log(), "the broker is missed")
        assert "can inspect" not in line.log(), "a part that is announced now would be missed"


def _triggered(make: Callable[..., Line], agent: Daemon, address: str, trigger: str, **more: Any) -> Line:
    source = f'kind = "video"\naddress = "{address}"\n[trigger]\n{trigger}'
    line = make(agent.socket, source=source, **more)
    line.start()
    line.wait_able()
    return line


def test_a_command_announces_a_part(agent: Daemon, make: Callable[..., Line]) -> None:
    with camera() as source:
        line = _triggered(make, agent, source.address, 'kind = "command"\ndelay_ms = 30')
        done = line.command("trigger", line.file, "--part", "4711", "--json")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert (said["outcome"], said["part_id"]) == ("pass", "4711")
        done = line.command("trigger", line.file)
        assert done.stdout.startswith("part part-"), done.stderr

        def outcomes() -> list[str]:
            return [event["outcome"] for event in line.events() if event.get("part_id")]

        wait_until(lambda: len(outcomes()) == 2, "both are told")
        assert outcomes() == ["pass", "pass"], "no frame else"
        # The camera is gone: the part that comes meanwhile is not forgotten.
        source.plugged.clear()
        line.wait_safe()
        done = line.command("trigger", line.file, "--part", "4712", "--json")
        said = json.loads(done.stdout)
        assert (said["outcome"], said["part_id"], said["verdict"]) == ("failed", "4712", "")
        assert said["reason"].startswith("no picture within the cycle: ")
        assert line.pin("able") == "0"
    refused = line.command("trigger", make(agent.socket).file)
    assert refused.returncode == 1
    assert "has no trigger of the kind 'command'" in refused.stderr


def test_posts_announce_parts(agent: Daemon, make: Callable[..., Line]) -> None:
    port = free_port()
    with camera() as source:
        line = _triggered(make, agent, source.address, f'kind = "http"\nport = {port}\npath = "/trigger"')
        status, said = _post(port, b"", "/trigger?part=4711")
        assert (status, said["outcome"], said["part_id"]) == (200, "pass", "4711")
        assert _part(line, "4711") == said


def test_messages_announce_parts(agent: Daemon, make: Callable[..., Line], client: tuple[paho.Client, int]) -> None:
    publisher, port = client
    with camera() as source:
        trigger = f'kind = "mqtt"\nhost = "127.0.0.1"\nport = {port}\ntopic = "line/trigger"'
        line = _triggered(make, agent, source.address, trigger)
        publisher.publish("line/trigger", b"4711", qos=1).wait_for_publish(PATIENCE)
        assert _part(line, "4711")["outcome"] == "pass"


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_edges_of_an_input_announce_parts_and_one_that_is_too_early_is_said(
    agent: Daemon, make: Callable[..., Line], tmp_path: Path
) -> None:
    chip = Chip(tmp_path / "gpio")
    trigger = f'kind = "input"\nchip = "{chip.path}"\nline = {BARRIER}\ndelay_ms = {CYCLE_MS / 3}'
    early = f'[[pin]]\non = "early"\nchip = "{chip.path}"\nline = {EARLY}\n'
    with camera() as source:
        line = _triggered(
            make, agent, source.address, trigger, more=early, environment={**os.environ, **chip.environment}
        )
        wait_until(lambda: chip.is_watched(BARRIER), "it waits for edges")
        chip.edge(BARRIER, rising=False)
        chip.edge(BARRIER, rising=True)
        chip.edge(BARRIER, rising=True)  # within the delay, while there is room for one

        def outcomes() -> list[str]:
            return sorted(event["outcome"] for event in line.events() if event.get("part_id"))

        wait_until(lambda: outcomes() == ["early", "pass"], f"both are told: {line.log()}")
        wait_until(lambda: chip.highs(EARLY)[-2:] == [True, False], "its own output, until the next part")
        found = json.loads(line.command("status", line.file, "--json").stdout)
        wait_until(
            lambda: json.loads(line.command("status", line.file, "--json").stdout)["early"] == 1, f"counted: {found}"
        )
