"""Webhooks to servers that do what servers should not."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent.records.events import delivery
from edge_agent.records.events.event import Event, payload_of
from edge_agent.records.events.post import Post
from edge_agent.records.events.rules import Webhook, parse_events
from edge_agent.records.events.sender import SendFailed
from edge_agent.records.events.webhook import WebhookSender
from tests.support.daemon import wait_until
from tests.support.records import record

Answer = Callable[[socket.socket], None]


class RawServer:
    """Reads a request's head and body, and then does with the connection as it is told."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                self._threads.append(threading.Thread(target=self._serve, args=(client,)))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, client.makefile("rb") as stream:
            while line := stream.readline():
                length = 0
                while line != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                    line = stream.readline()
                self.bodies.append(stream.read(length))
                self.answer(client)

    def close(self) -> None:
        for place in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                place.shutdown(socket.SHUT_RDWR)
            place.close()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def serving(answer: Answer) -> Iterator[RawServer]:
    server = RawServer(answer)
    try:
        yield server
    finally:
        server.close()


def _again_and_again(first: bytes, rest: bytes, pause: float) -> Answer:
    def answer(client: socket.socket) -> None:
        client.sendall(first)
        while True:
            client.sendall(rest)
            time.sleep(pause)

    return answer


def _nothing(client: socket.socket) -> None:
    client.recv(1)


def _sender(url: str, seconds: float) -> WebhookSender:
    (rule,) = parse_events([{"name": "mes", "sender": "webhook", "url": url, "seconds": seconds}])
    assert isinstance(rule, Webhook)
    return WebhookSender(rule, "press-7")


def _events(*numbers: int) -> list[Event]:
    return [Event(number, payload_of(record(number), "press-7")) for number in numbers]


@pytest.mark.parametrize(
    "answer",
    [
        _nothing,
        _again_and_again(b"", b"H", 0.05),
        _again_and_again(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05),
        _again_and_again(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.0),
    ],
    ids=["nothing", "a byte now and then", "a header without an end", "100 Continue for ever"],
)
def test_an_answer_that_does_not_come_is_not_waited_for_for_longer_than_said(answer: Answer) -> None:
    with serving(answer) as server:
        sender = _sender(server.url, 0.3)
        begun = time.monotonic()
        with pytest.raises(SendFailed, match=r"/ has not answered within 0\.3 s"):
            sender.send(_events(1))
        assert time.monotonic() - begun < 20
        sender.close()


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (_again_and_again(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x" * 1000, 0.01), 300),
        # What is short is waited for, for as long as is said; within that the head must have come.
        (_again_and_again(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"x", 0.1), 2),
        (_again_and_again(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.05), 300),
        (lambda client: client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nthank you"), 300),
        (lambda client: client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000), 300),
    ],
    ids=["without an end", "slow", "chunks without an end", "short", "long"],
)
def test_what_a_server_says_beside_2xx_neither_delays_nor_fails_anything(answer: Answer, seconds: float) -> None:
    with serving(answer) as server:
        sender = _sender(server.url, seconds)
        for number in (1, 2, 3):
            sender.send(_events(number))
        sender.close()
        assert [json.loads(body)["events"][0]["id"] for body in server.bodies] == [1, 2, 3]


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", b""])
def test_an_answer_that_is_broken_off_takes_nothing(head: bytes) -> None:
    def answer(client: socket.socket) -> None:
        client.sendall(head)
        client.shutdown(socket.SHUT_RDWR)

    with serving(answer) as server:
        sender = _sender(server.url, 30)
        with pytest.raises(SendFailed, match="/: the server closed the connection before its answer was whole"):
            sender.send(_events(1))
        sender.close()


def test_what_is_too_large_for_a_server_comes_in_smaller_parts() -> None:
    def answer(client: socket.socket) -> None:
        many = len(json.loads(server.bodies[-1])["events"]) > 2
        said = b"413 Content Too Large" if many else b"200 OK"
        client.sendall(b"HTTP/1.1 " + said + b"\r\nContent-Length: 0\r\n\r\n")

    with serving(answer) as server:
        sender = _sender(server.url, 30)
        sender.send(_events(*range(7)))
        sender.close()
        bodies = [[event["id"] for event in json.loads(body)["events"]] for body in server.bodies]
    assert [body for body in bodies if len(body) <= 2] == [[0], [1, 2], [3, 4], [5, 6]]


def test_one_event_that_is_too_large_is_a_failure_and_a_long_answer_is_cut() -> None:
    said = b"HTTP/1.1 413 " + b"too large " * 100 + b"\r\nContent-Length: 0\r\n\r\n"
    with serving(lambda client: client.sendall(said)) as server:
        sender = _sender(server.url, 30)
        with pytest.raises(SendFailed, match=r"answered 413 too large .{150,200}…$"):
            sender.send(_events(1, 2))
        sender.close()


def test_a_redirection_is_not_followed(tmp_path: Path) -> None:
    with serving(lambda client: client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")) as elsewhere:
        moved = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
        with serving(lambda client: client.sendall(moved.encode())) as server:
            sender = _sender(server.url, 5)
            with pytest.raises(SendFailed, match="answered 307 Temporary Redirect"):
                sender.send(_events(1))
            sender.close()
        assert not elsewhere.bodies


def test_a_server_that_hangs_and_then_answers_gets_all_in_order_and_each_again_with_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.02)
    hangs = threading.Event()
    hangs.set()

    def answer(client: socket.socket) -> None:
        if hangs.is_set():
            client.recv(1)
        else:
            client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with serving(answer) as server:
        rules = parse_events([{"name": "mes", "sender": "webhook", "url": server.url, "seconds": 0.2}])
        post = Post(tmp_path, rules, "press-7")
        for number in range(1, 251):
            post.take([record(number, model="bread" if number % 3 else "cookies")])
        wait_until(lambda: len(server.bodies) >= 2, "it was tried again")
        hangs.clear()
        wait_until(lambda: post._outbox is not None and not post._outbox.next("mes", 1), "all are taken")
        post.close()
        seen: list[int] = []
        for body in server.bodies:
            seen += [event["id"] for event in json.loads(body)["events"]]
    assert list(dict.fromkeys(seen)) == list(range(1, 251)), "none is missing, and the first of each is in order"
