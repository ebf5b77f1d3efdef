"""Events: rules, the outbox, and senders to real places that fail, are slow, or are not there."""

from __future__ import annotations

import csv
import hashlib
import hmac
import http.server
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_agent.errors import SettingsError
from edge_agent.records.events import delivery
from edge_agent.records.events.delivery import _words
from edge_agent.records.events.outbox import Outbox, line_states
from edge_agent.records.events.post import Post
from edge_agent.records.events.rules import AnyRule, parse_events
from edge_agent.records.events.sender import SendFailed
from edge_agent.records.record import Record
from tests.support.commands import run
from tests.support.daemon import bytes_request, running_daemon, wait_until
from tests.support.fakes import picture, write_echo
from tests.support.records import record

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "event.schema.json"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.1)


def rules(**table: Any) -> tuple[AnyRule, ...]:
    return parse_events([{"name": "line", **table}])


def told(*numbers: int) -> list[Record]:
    return [record(number, anomalous=number % 2 == 1) for number in numbers]


_FILE = {"sender": "file", "path": "/x"}
_HOOK = {"sender": "webhook", "url": "http://x"}
_MQTT = {"sender": "mqtt", "host": "x"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "event 'a': sender is '', expected one of file, datagram, pipe, gpio, webhook, mqtt, greengrass"),
        ({"sender": "file"}, "event 'a': key 'path' is missing"),
        (_FILE | {"name": 7}, "event number 1: Expected 'str', got 'int' at key 'name'"),
        ({"sender": "file", "pth": "/x"}, "event 'a': 'pth' is not a key of it; did you mean 'path'?"),
        (_FILE | {"path": "/"}, "event 'a': path '/' is a folder, expected the name of a file in it"),
        (_MQTT | {"host": "h:1883"}, "event 'a': host 'h:1883' is not one, expected a name or an address alone"),
        (_MQTT | {"host": "mqtt://h"}, "event 'a': host 'mqtt://h' is not one"),
        (_MQTT | {"version": 5}, 'event \'a\': version is 5, expected one of "5", "3.1.1"'),
        (_MQTT | {"topic": "{"}, "event 'a': topic '{' is not one"),
        (_MQTT | {"topic": "{model!r}"}, "event 'a': topic '{model!r}' is not one"),
        (_MQTT | {"topic": ""}, "event 'a': topic '' is not one"),
        (_MQTT | {"topic": "a\nb"}, "event 'a': topic 'a\\nb' is not one"),
        (_MQTT | {"tls": True, "ca_file": "/dev/null"}, "event 'a': ca_file '/dev/null' is not in the PEM format"),
        (_MQTT | {"user": "u", "password_file": "/dev/null"}, "event 'a': password_file '/dev/null' is empty"),
        (_MQTT | {"password_file": "/x"}, "event 'a': password_file is given, and no user"),
        (_HOOK | {"url": "http://h:99999/"}, "event 'a': url 'http://h:99999/' is not one such as https://"),
        (_HOOK | {"url": "http://h/a b"}, "event 'a': url 'http://h/a b' is not one"),
        (_HOOK | {"url": "http://u:secret@h/"}, "event 'a': url names a user, which a webhook does not send"),
        (_HOOK | {"secret_file": "/dev/null"}, "event 'a': secret_file '/dev/null' is empty"),
        (_FILE | {"path": "x"}, "event 'a': path 'x' does not begin with /"),
        (_FILE | {"colour": 1}, "event 'a': 'colour' is not a key of it, expected one of name, "),
        (_FILE | {"verdicts": "bad"}, "event 'a': verdicts is 'bad', expected one of \"all\", \"anomalous\","),
        (_FILE | {"name": "a b"}, "event 'a b': name is 'a b', expected 1 to 64 letters, digits, - and _"),
        (_HOOK | {"url": "ftp://x"}, "event 'a': url 'ftp://x' is not one such as https://"),
        (_HOOK | {"secret_file": "/no"}, "event 'a': /no can't be read: No such file"),
        (_FILE | {"verdicts": "none"}, "event 'a': verdicts is \"none\" and notices is false"),
        (_FILE | {"format": "csv", "notices": True}, 'a file of format "csv" has columns for verdicts alone'),
        (_MQTT | {"payload": "sparkplug", "notices": True}, 'the payload "sparkplug" has metrics for verdicts alone'),
        (_MQTT | {"topic": "a/#"}, "event 'a': topic 'a/#' is not one"),
        (_MQTT | {"topic": "{part}"}, "only {device}, {model}, {verdict}, {station} to fill in"),
        (_MQTT | {"ca_file": "/x"}, "event 'a': ca_file, cert_file and key_file need tls = true"),
        (_MQTT | {"port": 70000}, "event 'a': Expected 'int' <= 65535 at key 'port'"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_clear_sentence(table: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_events([{"name": "a", **table}])
    assert said in str(caught.value)


def test_names_differ() -> None:
    with pytest.raises(SettingsError, match="event 'a': there are two of that name"):
        parse_events([{"name": "a", **_FILE}, {"name": "a", **_HOOK}])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (_FILE, "path '/x' is that of event 'a' already"),
        (_MQTT | {"client_id": "{device}"}, "client_id '{device}' at x:1883 is that of event 'a' already"),
    ],
)
def test_what_only_one_can_have_is_not_given_to_two(table: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_events([{"name": "a", **table}, {"name": "b", **table}])
    assert str(caught.value) == f"event 'b': {said}"


def test_serve_says_it_at_the_start(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[[event]]\nname = "plc"\nsender = "mqtt"\n')
    done = run("serve", "--config", config, "--socket", f"unix://{tmp_path}/s", "--state-dir", tmp_path)
    assert done.returncode == 1
    assert "event 'plc': key 'host' is missing" in done.stderr


def test_rules_say_which_verdicts_go_where() -> None:
    (rule,) = rules(sender="file", path="/x", verdicts="anomalous", models=["echo"], stations=["east"])
    assert rule.wants(record(1, anomalous=True, station="east"))
    assert not rule.wants(record(1, station="east"))
    assert not rule.wants(record(1, anomalous=True, station="west"))
    assert not rule.wants(record(1, anomalous=True, station="east", model="other"))


def test_what_a_server_answers_is_told_in_a_line_that_harms_no_terminal() -> None:
    said = _words(SendFailed("h answered 500 \x1b[2J\r\n" + "x" * 100_000))
    assert said.startswith("h answered 500 ?[2J??xxx")
    assert len(said) == 300


@pytest.mark.parametrize(("keep", "left"), [("newest", [3, 4, 5]), ("oldest", [1, 2, 3])])
def test_a_full_line_keeps_what_it_is_told_to_and_counts_the_rest(tmp_path: Path, keep: str, left: list[int]) -> None:
    box = Outbox(tmp_path, rules(sender="file", path="/x", most=3, keep=keep))
    assert [box.put({"line": [b"%d" % number]}) for number in range(1, 4)] == [0, 0, 0]
    assert box.put({"line": [b"4", b"5"]}) == 2
    found = box.next("line", 10)
    assert [int(event.payload) for event in found] == left
    box.done("line", found[:2])
    box.close()
    assert [(state.waiting, state.sent, state.dropped) for state in line_states(tmp_path)] == [(1, 2, 2)]
    again = Outbox(tmp_path, rules(sender="file", path="/x", most=3, keep=keep))
    assert [int(event.payload) for event in again.next("line", 10)] == left[2:]
    again.close()


@pytest.mark.parametrize(("keep", "first"), [("newest", 4801), ("oldest", 1)])
def test_a_day_without_the_other_side_takes_as_much_disk_as_it_may(tmp_path: Path, keep: str, first: int) -> None:
    """5000 verdicts of three models, of which 200 may wait; nobody listens until then."""
    path = tmp_path / "socket"
    post = Post(tmp_path, rules(sender="datagram", path=str(path), keep=keep, most=200), "d")
    sizes = []
    for number in range(1, 5001, 50):
        post.take([record(number + offset, model=("a", "b", "c")[offset % 3]) for offset in range(50)])
        sizes.append(sum(file.stat().st_size for file in tmp_path.glob("outbox.db*")))
    assert max(sizes) < 6 << 20
    assert max(sizes[50:]) == max(sizes), "it does not grow any more"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(60)
        found = [json.loads(listener.recv(1 << 16))["id"] for _ in range(200)]
    assert found == list(range(first, first + 200))
    post.close()
    (state,) = line_states(tmp_path)
    assert state.sent + state.waiting >= 200
    assert state.dropped == 4800


def test_an_outbox_whose_folder_was_moved_goes_on_in_a_new_one(tmp_path: Path) -> None:
    """What waits is taken along; when the folder comes back, nothing of it is sent twice."""
    folder, moved, path = tmp_path / "records", tmp_path / "moved", tmp_path / "socket"
    post = Post(folder, rules(sender="datagram", path=str(path)), "d")

    def look() -> None:
        post._look_at = 0.0
        post.lines()

    post.take(told(1, 2, 3))
    folder.rename(moved)
    look()
    assert [state.waiting for state in line_states(folder)] == [3]
    assert [state.waiting for state in line_states(moved)] == [0]
    post.take(told(4))
    folder.rename(tmp_path / "second")
    moved.rename(folder)
    look()
    post.take(told(5))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(60)
        assert [json.loads(listener.recv(1 << 16))["id"] for _ in range(5)] == [1, 2, 3, 4, 5]
        wait_until(lambda: [state.sent for state in line_states(folder)] == [5], "they are taken out")
    post.close()
    assert [state.waiting for state in line_states(folder)] == [0]


def test_how_lines_stand_is_told(tmp_path: Path) -> None:
    path = tmp_path / "not there" / "events"
    post = Post(tmp_path, rules(sender="file", path=str(path), most=2), "d")
    now = time.time_ns() // 1000
    post.take([record(now - age) for age in (3, 2, 1)])
    wait_until(lambda: (post.lines()[0].failed, post.lines()[0].dropped) >= (2, 1), "attempts fail")
    (line,) = post.lines()
    assert (line.rule, line.waiting, line.sent, line.dropped) == ("line", 2, 0, 1)
    assert line.oldest == pytest.approx((now - 2) / 1e6, abs=1e-5)
    path.parent.mkdir()
    wait_until(lambda: post.lines()[0].sent == 2, "they are sent")
    assert post.lines()[0].oldest == 0
    post.close()


def test_events_that_the_outbox_can_not_take_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "outbox.db").mkdir()  # as if somebody had put a folder there
    post = Post(tmp_path, rules(sender="file", path=str(tmp_path / "events")), "d")
    post.take(told(1, 2))
    post.take(told(3))
    assert post.lines()[0].dropped == 3
    assert "the outbox can't be opened, events are lost" in caplog.text
    post.close()


def test_lines_of_json_that_the_schema_describes(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    post = Post(tmp_path, rules(sender="file", path=str(path)), "device-1")
    post.take([record(1, anomalous=True, areas={"crack": 0.25}, part="A-1", station="east"), record(2)])
    wait_until(lambda: path.exists() and path.read_text().count("\n") == 2, "two lines")
    post.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        jsonschema.validate(line, json.loads(SCHEMA.read_text()))
    assert lines[0] == {
        "id": 1, "time": "1970-01-01T00:00:00.000001Z", "device": "device-1", "model": "echo", "version": "1.0.0",
        "verdict": "anomalous", "anomaly_score": 0.25, "anomaly_threshold": 0.5, "confidence": 0.75,
        "areas": {"crack": 0.25}, "width": 64, "height": 48, "milliseconds": 2.5, "part_id": "A-1", "station": "east",
        "picture": "",
    }  # fmt: skip


def test_csv_has_one_head_and_a_file_that_is_full_makes_way(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    (rule,) = rules(sender="file", path=str(path), format="csv", most_mib=1)
    post = Post(tmp_path, (rule,), "device-1")
    post.take(told(1, 2))
    wait_until(lambda: path.exists() and path.read_text().count("\n") == 3, "three lines")
    post.take(told(3))
    wait_until(lambda: path.read_text().count("\n") == 4, "four lines")
    assert [row["id"] for row in csv.DictReader(path.read_text().splitlines())] == ["1", "2", "3"]
    with path.open("a") as file:
        file.write("x" * (1 << 20))
    post.take(told(4))
    wait_until(lambda: path.read_text().count("\n") == 2, "a new file")
    post.close()
    assert path.with_name("events.csv.1").stat().st_size > 1 << 20


def test_a_datagram_waits_for_whoever_listens(tmp_path: Path) -> None:
    path = tmp_path / "plc.sock"
    post = Post(tmp_path, rules(sender="datagram", path=str(path), verdicts="anomalous"), "d")
    post.take(told(1, 2, 3))
    wait_until(lambda: line_states(tmp_path)[0].problem, "it says that nobody listens")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(30)
        assert [json.loads(listener.recv(1 << 16))["id"] for _ in range(2)] == [1, 3]
        wait_until(lambda: not line_states(tmp_path)[0].waiting, "they are taken out")
    post.close()


def test_what_is_in_the_way_is_told_with_its_place(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tables: list[dict[str, Any]] = [
        {"name": "program", "sender": "datagram", "path": f"{tmp_path}/program"},
        {"name": "file", "sender": "file", "path": f"{tmp_path}/no/events"},
        {"name": "mes", "sender": "webhook", "url": f"http://127.0.0.1:{port}/"},
        {"name": "plc", "sender": "mqtt", "host": "127.0.0.1", "port": port},
    ]
    post = Post(tmp_path, parse_events(tables), "d")
    post.take(told(1))
    found = wait_until(
        lambda: all((states := {state.rule: state.problem for state in line_states(tmp_path)}).values()) and states,
        "each has a problem",
    )
    post.close()
    assert found == {
        "program": f"nobody listens at {tmp_path}/program: No such file or directory",
        "file": f"{tmp_path}/no/events: No such file or directory",
        "mes": f"http://127.0.0.1:{port}/: Connection refused",
        "plc": f"127.0.0.1:{port}: Connection refused",
    }


def test_a_named_pipe_is_made_and_waits_for_whoever_reads(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    post = Post(tmp_path, rules(sender="pipe", path=str(path)), "d")
    post.take(told(1, 2))
    wait_until(path.is_fifo, "the pipe is made")
    with path.open() as reader:
        assert [json.loads(reader.readline())["id"] for _ in range(2)] == [1, 2]
    post.close()


def test_what_was_not_sent_is_sent_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "not there yet"
    table = {"sender": "file", "path": str(folder / "events")}
    post = Post(tmp_path, rules(**table), "d")
    post.take(told(1, 2))
    wait_until(lambda: line_states(tmp_path)[0].problem, "it says why it can't")
    post.close()
    folder.mkdir()
    again = Post(tmp_path, rules(**table), "d")
    again.take(told(3))
    wait_until(
        lambda: (folder / "events").exists() and (folder / "events").read_text().count("\n") == 3, "all are there"
    )
    again.close()
    assert [json.loads(line)["id"] for line in (folder / "events").read_text().splitlines()] == [1, 2, 3]


class Server:
    """An HTTP server that fails as often as it is told to."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[Any] = []
        self.failures: list[int] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.failures:
                    status = outer.failures.pop(0)
                    if not status:
                        self.close_connection = True
                        return
                    self.send_response(status)
                else:
                    outer.bodies.append(body)
                    outer.headers.append(self.headers)
                    self.send_response(204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def ids(self) -> list[int]:
        return [event["id"] for body in list(self.bodies) for event in json.loads(body)["events"]]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def test_a_webhook_is_signed_and_tried_again_until_it_is_taken(tmp_path: Path, server: Server) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a key\n")
    url = f"http://127.0.0.1:{server.server.server_port}/verdicts?line=1"
    server.failures = [500, 0, 404, 302, 503]
    post = Post(tmp_path, rules(sender="webhook", url=url, secret_file=str(secret)), "d")
    for number in range(1, 301):
        post.take(told(number))
    wait_until(lambda: len(server.ids) == 300, "all are there")
    post.close()
    assert server.ids == list(range(1, 301))  # in order, none twice: what failed had not been taken
    for body, headers in zip(server.bodies, server.headers, strict=True):
        signed = hmac.new(b"a key", headers["X-Edge-Agent-Time"].encode() + b"." + body, hashlib.sha256).hexdigest()
        assert headers["X-Edge-Agent-Signature"] == f"sha256={signed}"
    assert not server.failures


def test_a_sender_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        path = tmp_path / "events"
        tables: list[dict[str, Any]] = [
            {
                "name": "hangs",
                "sender": "webhook",
                "url": f"http://127.0.0.1:{silent.getsockname()[1]}/",
                "seconds": 60,
            },
            {"name": "works", "sender": "file", "path": str(path)},
        ]
        post = Post(tmp_path, parse_events(tables), "d")
        for number in range(1, 51):
            post.take(told(number))
        wait_until(lambda: path.exists() and path.read_text().count("\n") == 50, "the other's events")
        assert {state.rule: state.waiting for state in line_states(tmp_path)}["hangs"] == 50
    post.close()


def test_from_a_call_to_an_event_and_a_killed_process(tmp_path: Path) -> None:
    """Through the daemon, whose records process is killed in between."""
    write_echo(tmp_path / "models", "echo")
    path, config = tmp_path / "events", tmp_path / "config.toml"
    config.write_text(f'device_name = "press-7"\n[[event]]\nname = "mes"\nsender = "file"\npath = "{path}"\n')
    with running_daemon(tmp_path, "--config", str(config)) as daemon:
        daemon.stub.start("echo")
        import psutil

        for round_ in range(2):
            for brightness in (10, 250):
                daemon.stub("DetectAnomalies", bytes_request("echo", picture(brightness)))
            count = 2 * (round_ + 1)
            wait_until(lambda: path.exists() and path.read_text().count("\n") == count, "the events")  # noqa: B023
            folder = tmp_path / "state" / "records"
            wait_until(lambda: not line_states(folder)[0].waiting, "they are taken out")  # noqa: B023
            for child in psutil.Process(daemon.process.pid).children():
                if "edge_agent.records.process" in child.cmdline():
                    os.kill(child.pid, 9)
        told_ = [json.loads(line) for line in path.read_text().splitlines()]
        assert [event["verdict"] for event in told_] == ["normal", "anomalous"] * 2
        assert {event["device"] for event in told_} == {"press-7"}
        seen = run("doctor", "--config", config, "--state-dir", tmp_path / "state", "--json")
        assert "4 sent, 0 wait, 0 were dropped" in seen.stdout
        shown = run("records", "events", "--state-dir", tmp_path / "state", "--json")
        assert json.loads(shown.stdout)[0]["rule"] == "mes"
