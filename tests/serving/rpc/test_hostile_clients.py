"""Clients that speak HTTP/2 as nobody should: a steady client is answered, and the log has no traceback."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Iterator

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.serving.http2.frames import (
    END_HEADERS,
    END_STREAM,
    PREFACE,
    Frame,
    Setting,
    frame_head,
    headers_frame,
    settings_frame,
    word_frame,
)
from edge_agent.serving.rpc.contract import METHODS
from edge_agent.serving.rpc.framing import OK_TRAILERS
from tests.support.daemon import PATIENCE, Daemon, bytes_request, wait_until
from tests.support.fakes import picture
from tests.support.properties import examples

_HEADERS = [
    (":method", "POST"), (":scheme", "http"), (":path", METHODS["ListModels"].path), (":authority", "x"),
    ("content-type", "application/grpc"), ("te", "trailers"),
]  # fmt: skip
#: a header block that both sides' tables have nothing to do with, so that it stands for itself anywhere
BLOCK = hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*pair) for pair in _HEADERS], huffman=False)
GREETING = PREFACE + settings_frame({})
EMPTY_MESSAGE = frame_head(Frame.DATA, END_STREAM, 1, 5) + bytes(5)


@pytest.fixture(scope="module")
def unharmed(serving: Daemon) -> Iterator[Daemon]:
    """The module's daemon, in which afterwards nothing has died and no traceback been written."""
    workers = {process.pid for process in serving.workers()}
    yield serving
    _check_served(serving)
    assert {process.pid for process in serving.workers()} == workers
    assert not re.search("Traceback|defect|raised exception|Fatal|Warning|WARNING", serving.complaints())


def _check_served(daemon: Daemon) -> None:
    result = daemon.stub("DetectAnomalies", bytes_request("echo", picture(51))).detect_anomaly_result
    assert result.anomaly_score == pytest.approx(0.2, abs=1e-5)


@contextlib.contextmanager
def _peer(daemon: Daemon) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(PATIENCE)
        peer.connect(str(daemon.path))
        yield peer


def _say(daemon: Daemon, data: bytes, *, until: bytes = b"") -> bytes:
    """Say all this, hear what comes, `until` that among it, and then go; what was heard last."""
    heard = bytearray()
    with _peer(daemon) as peer:

        def listen() -> None:
            with contextlib.suppress(OSError):
                while piece := peer.recv(1 << 18):
                    heard.extend(piece)
                    del heard[:-1000]

        listener = threading.Thread(target=listen)
        listener.start()
        with contextlib.suppress(OSError):  # the agent has had enough
            peer.sendall(data)
            _check_served(daemon)
            if until:
                wait_until(lambda: until in heard, "the answer is there")
            peer.shutdown(socket.SHUT_WR)
        listener.join()
    return bytes(heard)


_kinds = st.sampled_from(list(Frame)) | st.integers(0, 255)
_flags = st.sampled_from([0, 1, 4, 5, 8, 9, 12, 0x25, 0x2D]) | st.integers(0, 255)
_streams = st.sampled_from([0, 1, 1, 3, 3, 5, 2, 2**31 - 1]) | st.integers(0, 2**32 - 1)
_payloads = st.one_of(
    st.just(BLOCK), st.just(bytes(5)), st.just(b"\0\0\0\0\x0a\x0a\x04echo"), st.binary(max_size=20),
    st.integers(0, 2**32 - 1).map(lambda value: value.to_bytes(4, "big")), st.just(bytes(8)),
    st.tuples(st.integers(0, 9), st.sampled_from([0, 1, 2**14, 2**31 - 1, 2**31, 2**32 - 1])).map(
        lambda pair: struct.pack(">HI", *pair)
    ),
)  # fmt: skip
_frames = st.builds(
    lambda kind, flags, stream, payload, lie: (
        len(payload + bytes(lie)).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + payload
    ),
    _kinds, _flags, _streams, _payloads, st.sampled_from([0, 0, 0, 0, 0, 1, 70_000, 1 << 21]),
)  # fmt: skip
_call = st.sampled_from([1, 3, 5]).map(lambda stream: headers_frame(stream, BLOCK))
_ends = st.sampled_from([1, 3, 5]).map(lambda stream: frame_head(Frame.DATA, END_STREAM, stream, 5) + bytes(5))


@examples(150)
@given(st.lists(_frames | _call | _ends, max_size=12), st.sampled_from([1, 9, 10, 1 << 20]))
def test_any_frames_in_any_order(unharmed: Daemon, frames: list[bytes], piece: int) -> None:
    data = GREETING + b"".join(frames)
    with _peer(unharmed) as peer, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for start in range(0, len(data), max(piece, len(data) // 50)):
            peer.sendall(data[start : start + max(piece, len(data) // 50)])
    unharmed.stub.describe("echo")


@examples(50)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes(unharmed: Daemon, data: bytes, greeted: bool) -> None:
    with _peer(unharmed) as peer, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        peer.sendall((PREFACE if greeted else b"") + data)
    unharmed.stub.describe("echo")


_OPEN = b"".join(headers_frame(1 + 2 * number, BLOCK) for number in range(999))
_RESETS = b"".join(
    headers_frame(1 + 2 * number, BLOCK) + word_frame(Frame.RST_STREAM, 1 + 2 * number, 8) for number in range(5000)
)
_CANCELLED = b"".join(
    headers_frame(1 + 2 * number, BLOCK)
    + frame_head(Frame.DATA, END_STREAM, 1 + 2 * number, 5)
    + bytes(5)
    + word_frame(Frame.RST_STREAM, 1 + 2 * number, 8)
    for number in range(3000)
)
_PINGS = (frame_head(Frame.PING, 0, 0, 8) + bytes(8)) * 100_000
_PRIORITIES = (frame_head(Frame.PRIORITY, 0, 1, 5) + bytes(5)) * 100_000
_BEGUN = frame_head(Frame.HEADERS, 0, 1, len(BLOCK)) + BLOCK
_GOING_ON = frame_head(Frame.CONTINUATION, 0, 1, 1) + b"\x83"
_MANY_SETTINGS = frame_head(Frame.SETTINGS, 0, 0, 6 * 174_000) + 87_000 * (
    struct.pack(">HI", Setting.INITIAL_WINDOW_SIZE, 0) + struct.pack(">HI", Setting.INITIAL_WINDOW_SIZE, 9)
)


@pytest.mark.parametrize(
    ("flood", "said"),
    [
        pytest.param(_PINGS, b"more than 100 PING and SETTINGS at once", id="PING"),
        pytest.param(settings_frame({}) * 100_000, b"more than 100 PING and SETTINGS at once", id="SETTINGS"),
        pytest.param(
            _OPEN + _MANY_SETTINGS * 45, b"", id="windows that change millions of times", marks=pytest.mark.long
        ),
        pytest.param(_OPEN + word_frame(Frame.WINDOW_UPDATE, 0, 1) * 100_000, b"", id="WINDOW_UPDATE"),
        pytest.param(_RESETS, b"", id="rapid reset"),
        pytest.param(_CANCELLED, b"", id="rapid reset of whole calls"),
        pytest.param(headers_frame(1, BLOCK) + frame_head(Frame.DATA, 0, 1, 0) * 100_000, b"", id="empty DATA"),
        pytest.param(_PRIORITIES, b"", id="PRIORITY"),
        pytest.param(_BEGUN + frame_head(Frame.CONTINUATION, 0, 1, 0), b"a CONTINUATION of no bytes",
                     id="empty CONTINUATION"),
        pytest.param(_BEGUN + _GOING_ON * 270_000, b"headers of more than 262144 bytes", id="CONTINUATION without end"),
        pytest.param(frame_head(Frame.HEADERS, END_HEADERS, 1, 1 << 20) + b"\x20" * (1 << 20),
                     b"headers of more than 262144 bytes", id="headers of nothing but changes to the table"),
        pytest.param(headers_frame(1, b"\x40\x01a\x7f\xa1\x1e" + b"b" * 4000 + b"\xbe" * 60_000),
                     b"bytes, expected 65536 at most", id="headers that grow"),
        pytest.param(headers_frame(1, b"\xff" * 60_000), b"headers can't be decoded", id="a number without end"),
        pytest.param(frame_head(0xFA, 0, 0, 1 << 20) + bytes(1 << 20), b"", id="an unknown frame of a megabyte"),
    ],
)  # fmt: skip
def test_floods(unharmed: Daemon, flood: bytes, said: bytes) -> None:
    """What costs the agent more than the client is refused, the rest is borne; in both cases others are served."""
    assert said in _say(unharmed, GREETING + flood)


def test_half_open_connections(unharmed: Daemon) -> None:
    """Nothing, half a greeting, half a frame, half a call: two hundred of each stay open while others are served."""
    call = GREETING + headers_frame(1, BLOCK)
    beginnings = [b"", PREFACE[:9], GREETING + b"\0\0", call, call + EMPTY_MESSAGE[:11]]
    with contextlib.ExitStack() as stack:
        for number in range(200):
            stack.enter_context(_peer(unharmed)).sendall(beginnings[number % len(beginnings)])
        _check_served(unharmed)
    _check_served(unharmed)


def test_a_prefix_in_pieces(unharmed: Daemon) -> None:
    """The five bytes before a message, each in a frame of its own."""
    pieces = b"".join(frame_head(Frame.DATA, END_STREAM * (number == 4), 1, 1) + b"\0" for number in range(5))
    assert _say(unharmed, GREETING + headers_frame(1, BLOCK) + pieces, until=OK_TRAILERS).endswith(OK_TRAILERS)
