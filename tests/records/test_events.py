"""Events: senders to real places that fail, are slow, or are not there."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import hmac
import http.server
import json
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_agent.records.events import delivery
from edge_agent.records.events.event import Event, payload_of
from edge_agent.records.events.outbox import line_states
from edge_agent.records.events.post import Post
from edge_agent.records.events.rules import parse_events
from edge_agent.records.events.sender import sender_of
from tests.support.commands import run
from tests.support.daemon import bytes_request, running_daemon, wait_until
from tests.support.fakes import picture, write_echo
from tests.support.ports import free_port
from tests.support.records import record, rules, told

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "event.schema.json"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 0.1)


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


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_half_a_line_of_a_killed_process_does_not_spoil_the_next(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "events"
    (rule,) = rules(sender="file", path=str(path), format=kind)
    sender = sender_of(rule, "d")
    sender.send([Event(1, payload_of(record(1), "d"))])
    whole = path.read_bytes()
    for half in (b'{"id":2,"ti', b'2,"a'):
        path.write_bytes(whole + half)
        sender.send([Event(2, payload_of(record(2), "d"))])
        lines = path.read_text().splitlines()
        assert len(lines) == whole.count(b"\n") + 1
        assert '{"id":2,' in lines[-1] if kind == "json" else lines[-1].startswith("2,1970")


def test_a_line_that_does_not_fit_on_the_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "events"
    (rule,) = rules(sender="file", path=str(path))
    told_ = [Event(1, payload_of(record(1), "d"))]
    sender_of(rule, "d").send(told_)
    before = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limit[1]))
    try:
        with pytest.raises(OSError, match=f"File too large: '{path}'"):
            sender_of(rule, "d").send(told_)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before


def test_no_name_that_a_client_gives_is_a_formula_in_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    (rule,) = rules(sender="file", path=str(path), format="csv")
    parts = ["=1+1", "@SUM(A1)", "-cmd|x", "+x", "-17", "A=1", '"=1"', ""]
    sender_of(rule, "d").send([Event(1, payload_of(record(1, part=part), "d")) for part in parts])
    found = [row["part_id"] for row in csv.DictReader(path.read_text().splitlines())]
    assert found == ["'=1+1", "'@SUM(A1)", "'-cmd|x", "'+x", "-17", "A=1", '"=1"', ""]


def test_a_datagram_waits_for_whoever_listens(tmp_path: Path) -> None:
    path = tmp_path / "plc.sock"
    post = Post(tmp_path, rules(sender="datagram", path=str(path), verdicts="anomalous"), "d")
    post.take(told(1, 2, 3))
    wait_until(lambda: line_states(tmp_path)[0].problem, "it says that nobody listens")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(180)
        assert [json.loads(listener.recv(1 << 16))["id"] for _ in range(2)] == [1, 3]
        wait_until(lambda: not line_states(tmp_path)[0].waiting, "they are taken out")
    post.close()


def test_what_is_in_the_way_is_told_with_its_place(tmp_path: Path) -> None:
    port = free_port()
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


def test_what_was_in_the_way_before_a_restart_is_forgotten_when_it_is_not_any_more(tmp_path: Path) -> None:
    path = tmp_path / "no" / "events"
    made = rules(sender="file", path=str(path))
    post = Post(tmp_path, made, "d")
    post.take(told(1))
    wait_until(lambda: line_states(tmp_path)[0].problem, "it says that there is no folder")
    post.close()
    path.parent.mkdir()
    post = Post(tmp_path, made, "d")
    wait_until(lambda: not line_states(tmp_path)[0].problem, "all is well")
    post.close()
    assert line_states(tmp_path)[0].sent == 1


def test_a_named_pipe_is_made_and_waits_for_whoever_reads(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    post = Post(tmp_path, rules(sender="pipe", path=str(path)), "d")
    post.take(told(1, 2))
    wait_until(path.is_fifo, "the pipe is made")
    with path.open() as reader:
        assert [json.loads(reader.readline())["id"] for _ in range(2)] == [1, 2]
    post.close()


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

        def writers() -> list[psutil.Process]:
            found = []
            for child in psutil.Process(daemon.process.pid).children():
                with contextlib.suppress(psutil.Error):  # it has just ended
                    if "edge_agent.records.process" in child.cmdline():
                        found.append(child)
            return found

        for round_ in range(2):
            for brightness in (10, 250):
                daemon.stub("DetectAnomalies", bytes_request("echo", picture(brightness)))
            count = 2 * (round_ + 1)
            wait_until(lambda: path.exists() and path.read_text().count("\n") == count, "the events")  # noqa: B023
            folder = tmp_path / "state" / "records"
            wait_until(lambda: not line_states(folder)[0].waiting, "they are taken out")  # noqa: B023
            (killed,) = writers()
            killed.kill()
            # What is sent to one that is about to die is lost with it.
            wait_until(lambda: [other for other in writers() if other.pid != killed.pid], "there is another")  # noqa: B023
        told_ = [json.loads(line) for line in path.read_text().splitlines()]
        assert [event["verdict"] for event in told_] == ["normal", "anomalous"] * 2
        assert {event["device"] for event in told_} == {"press-7"}
        seen = run("doctor", "--config", config, "--state-dir", tmp_path / "state", "--json")
        assert "4 sent, 0 wait, 0 were dropped" in seen.stdout
        shown = run("records", "events", "--state-dir", tmp_path / "state", "--json")
        assert json.loads(shown.stdout)[0]["rule"] == "mes"
