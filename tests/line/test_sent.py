"""Pictures that are sent by HTTP: files and raw pixels, what is refused, and what has no room."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_agent.line.sources.opening import open_source
from edge_agent.line.sources.source import Part, Source, SourceFailed
from edge_agent.line.tables.models import Model
from edge_agent.line.tables.sources import HttpSource, Pixels
from edge_agent.line.tables.whole import Line
from tests.support.daemon import PATIENCE, wait_until
from tests.support.fakes import picture
from tests.support.line import trouble_of
from tests.support.ports import free_port, is_open


@contextmanager
def _opened(**more: Any) -> Iterator[tuple[Source, int]]:
    port = free_port()
    table = HttpSource(kind="http", port=port, path="/part", **more)
    source = open_source(Line(name="flange", source=table, model=(Model(name="echo"),)))
    try:
        wait_until(lambda: is_open(port) and "not yet connected" not in trouble_of(source), "it listens, and says so")
        yield source, port
    finally:
        source.close()


def _post(port: int, body: bytes, path: str = "/part", headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def _png(brightness: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(brightness)).save(file, "PNG")
    return file.getvalue()


class _Poster(threading.Thread):
    """Posts, and has the answer when it has been joined."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__()
        self._arguments, self._more = arguments, more
        self.answer: tuple[int, Any] = (0, None)
        self.start()

    def run(self) -> None:
        self.answer = _post(*self._arguments, **self._more)

    def status(self) -> tuple[int, Any]:
        self.join(PATIENCE)
        return self.answer


def _next(source: Source) -> Part:
    return wait_until(lambda: source.next(0.1), "a part comes")  # type: ignore[no-any-return]


def _decide(part: Part, outcome: str) -> None:
    assert part.answer is not None
    part.answer({"outcome": outcome, "part_id": part.name, "reason": part.problem})


def test_the_answer_is_the_decision() -> None:
    with _opened() as (source, port):
        poster = _Poster(port, _png(90), path="/part?part=4711")
        part = _next(source)
        assert part.name == "4711"
        assert part.pixels is not None
        assert (part.pixels == picture(90)).all()
        _decide(part, "reject")
        assert poster.status() == (200, {"outcome": "reject", "part_id": "4711", "reason": ""})
        poster = _Poster(port, b"not a picture")
        part = _next(source)
        assert part.pixels is None
        assert part.problem.startswith("what was sent is not a PNG")
        _decide(part, "failed")
        status, said = poster.status()
        assert (status, said["outcome"], said["reason"]) == (503, "failed", part.problem)


def test_raw_pixels_and_a_camera_that_is_frozen() -> None:
    pixels = Pixels(format="Mono12", width=4, height=2, stride=10)
    with _opened(pixels=pixels, frozen_frames=2) as (source, port):
        values = np.array([[0, 4095, 0, 4095, 9], [4095, 0, 4095, 0, 9]], "<u2")
        for frozen in (False, False, True, True):
            poster = _Poster(port, values.tobytes())
            part = _next(source)
            if frozen:
                assert part.pixels is None
                assert "the camera is frozen" in part.problem
            else:
                assert part.pixels is not None
                assert part.pixels[..., 1].tolist() == [[0, 255, 0, 255], [255, 0, 255, 0]]
            _decide(part, "pass")
            assert poster.status()[0] == 200
        poster = _Poster(port, bytes(7))
        assert _next(source).problem == "7 bytes, expected at least 18 for 4x2 Mono12 with rows of 10 bytes"
        # nobody decides it: the door is closed, and whoever waits is let go with the process


def test_what_has_no_room_is_early_and_said() -> None:
    with _opened(queue=1) as (source, port):
        first = _Poster(port, _png(90), path="/part?part=1")
        part = _next(source)
        second = _Poster(port, _png(91), path="/part?part=2")
        waiting = _next(source)
        third = _Poster(port, _png(92), path="/part?part=3")

        def is_waiting() -> bool:
            return bool(source._inbox.waiting())  # type: ignore[attr-defined]

        wait_until(is_waiting, "the third waits")
        fourth = _Poster(port, _png(93), path="/part?part=4")
        left = wait_until(source.left_out, "the fourth has no room")
        assert [(one.name, one.is_early, one.problem) for one in left] == [
            ("4", True, "it came while another was waiting for the model")
        ]
        _decide(left[0], "early")
        assert fourth.status()[0] == 429
        for each, poster in ((part, first), (waiting, second), (_next(source), third)):
            _decide(each, "pass")
            assert poster.status() == (200, {"outcome": "pass", "part_id": each.name, "reason": ""})


def test_who_may_not_and_what_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("swordfish\n")
    with _opened(token_file=str(tmp_path / "token"), most_mib=1) as (source, port):
        right = {"Authorization": "Bearer swordfish"}
        assert _post(port, b"x")[0] == 401
        assert _post(port, b"x", headers={"Authorization": "Bearer sword"})[0] == 401
        assert _post(port, b"x", "/other", right) == (404, {"error": "/other is not here, expected /part"})
        status, said = _post(port, bytes((1 << 20) + 1), headers=right)
        assert (status, said) == (413, {"error": "1048577 bytes, expected 1048576 at most"})
        poster = _Poster(port, _png(90), headers=right)
        _decide(_next(source), "pass")
        assert poster.status()[0] == 200
    with _opened() as (_, port):
        assert _post(port, b"x", headers={"Origin": "http://evil.example"})[0] == 403


def test_a_port_that_is_taken_and_silence_are_said() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        table = HttpSource(kind="http", port=other.getsockname()[1])
        source = open_source(Line(name="flange", source=table, model=(Model(name="echo"),)))

        def said() -> str:
            try:
                source.next(0.05)
            except SourceFailed as error:
                return str(error)
            return ""

        wait_until(lambda: "can't be listened at: Address already in use" in said(), "it is said")
    wait_until(lambda: not said(), "it is tried again")
    source.close()
    with _opened(silent_seconds=0.05) as (source, _), pytest.raises(SourceFailed, match="no picture has come for"):
        while True:
            source.next(0.05)


def test_a_flood_does_not_fill_the_memory() -> None:
    with _opened(most_mib=200) as (_, port):
        length = 200 << 20
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(f"POST /part HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode())

            def refused() -> str:
                with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as second:
                    second.sendall(f"POST /part HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode())
                    second.shutdown(socket.SHUT_WR)
                    return second.makefile("rb").read().decode()

            said = wait_until(lambda: "503" in (text := refused()) and text, "the first has come")
            assert f"others are sending {length} bytes" in said
        wait_until(lambda: "503" not in refused(), "whoever goes away gives the place back")
