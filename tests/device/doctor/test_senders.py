"""What doctor says of the places that events go to: one clear sentence each."""

from __future__ import annotations

import http.server
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from edge_agent.device.doctor.senders import other_name, reach
from edge_agent.records.events.rules import parse_events
from edge_agent.records.events.sender import SendFailed


def look(**table: Any) -> str:
    (rule,) = parse_events([{"name": "a", **table}])
    try:
        return reach(rule, "press-7")
    except (SendFailed, OSError) as error:
        return f"failed: {error}"


def test_files_pipes_and_sockets(tmp_path: Path) -> None:
    assert look(sender="file", path=f"{tmp_path}/events") == f"{tmp_path}/events can be written"
    assert look(sender="file", path=f"{tmp_path}/no/events") == f"failed: the folder {tmp_path}/no is not there"
    pipe, sock = tmp_path / "pipe", tmp_path / "sock"
    assert look(sender="pipe", path=str(pipe)) == f"{pipe} is made with the first event"
    os.mkfifo(pipe)
    assert f"failed: nobody reads {pipe}" in look(sender="pipe", path=str(pipe))
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert look(sender="pipe", path=str(pipe)) == f"somebody reads {pipe}"
    os.close(reader)
    assert f"failed: nobody listens at {sock}" in look(sender="datagram", path=str(sock))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(sock))
        assert look(sender="datagram", path=str(sock)) == f"somebody listens at {sock}"


def test_servers_and_brokers_that_are_there_or_not() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        assert look(sender="webhook", url=url) == f"{url} takes connections"
        thread.join()
    assert "refused" in look(sender="webhook", url=url)
    port = server.server_port
    assert "refused" in look(sender="mqtt", host="127.0.0.1", port=port)


def test_a_broker_that_says_nothing_is_not_waited_for_for_long() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        said = look(sender="mqtt", host="127.0.0.1", port=silent.getsockname()[1], seconds=0.3)
    assert "has not answered for 0.3 s" in said


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({}, "both say at edge-agent/press-7/available whether the device is there"),
        ({"client_id": "{device}"}, "both have client_id 'press-7', which one alone may have"),
        ({"client_id": "one"}, "both have client_id 'one', which one alone may have"),
        ({"payload": "sparkplug"}, "both have node 'press-7' of group 'edge-agent', which one alone may have"),
        ({"available": "elsewhere"}, ""),
        ({"port": 2000}, ""),
        ({"host": "127.0.0.2"}, ""),
    ],
)
def test_two_names_of_one_broker_are_found_out(second: dict[str, Any], said: str) -> None:
    both = {key: value for key, value in second.items() if key in ("client_id", "payload")}
    first = {"name": "a", "sender": "mqtt", "host": "localhost", **both}
    rule, other = parse_events([first, {"name": "b", "sender": "mqtt", "host": "127.0.0.1", **second}])
    expected = f"127.0.0.1 and localhost of event a are one broker, and {said}" if said else ""
    assert other_name(other, [rule], "press-7") == expected


def test_a_chip_that_is_not_there() -> None:
    pytest.importorskip("gpiod", reason="gpiod is not installed")
    said = look(sender="gpio", chip="/dev/gpiochip9", line=3)
    assert said == "failed: line 3 of /dev/gpiochip9 can't be used: No such file or directory"
