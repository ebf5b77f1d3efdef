"""The HTTP/2 state machine against an independent implementation of the client's side (the library h2), without I/O."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from edge_agent.serving.http2.connection import MAX_STREAMS, Connection
from edge_agent.serving.http2.frames import ErrorCode, ProtocolError
from edge_agent.serving.http2.header_blocks import Headers
from edge_agent.serving.rpc.framing import OK_TRAILERS, RESPONSE_HEADERS, RefusedCall, refusal_headers
from edge_agent.serving.rpc.status import Code

REQUEST = [(":method", "POST"), (":scheme", "http"), (":path", "/S/M"), (":authority", "x"), ("te", "trailers")]


def _texts(headers: Iterable[tuple[Any, Any]] | None) -> dict[str, str]:
    return {str(name): str(value) for name, value in headers or ()}


class Wire:
    """A client (h2) and a server (ours), joined by byte strings."""

    def __init__(self, **settings: int) -> None:
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        if settings:
            self.client.local_settings = h2.settings.Settings(
                client=True,
                initial_values={h2.settings.SettingCodes[key.upper()]: value for key, value in settings.items()},
            )
        self.client.initiate_connection()
        self.to_client = bytearray()
        self.headers: dict[int, Headers] = {}
        self.data: dict[int, bytearray] = {}
        self.ended: list[int] = []
        self.reset: list[int] = []
        self.events: list[h2.events.Event] = []
        #: bytes of the headers that were too many, by stream
        self.overlong: dict[int, int] = {}
        self.on_end, self.on_reset = self.ended.append, self.reset.append
        self.on_overlong = self.overlong.__setitem__
        self.server = Connection(lambda *parts: self.to_client.extend(b"".join(parts)), self)

    def on_headers(self, stream: int, headers: Headers) -> None:
        self.headers[stream], self.data[stream] = headers, bytearray()

    def on_data(self, stream: int, data: memoryview) -> None:
        self.data[stream] += data

    def exchange(self, piece: int = 1 << 30, *, acknowledge: bool = True) -> None:
        """Move bytes both ways, in pieces of this size to the server, until both are silent."""
        while True:
            sent = self.client.data_to_send()
            for start in range(0, len(sent), piece):
                self.server.receive(memoryview(sent[start : start + piece]))
            received, self.to_client[:] = bytes(self.to_client), b""
            if not sent and not received:
                return
            events = self.client.receive_data(received)
            self.events += events
            for event in events:
                if acknowledge and isinstance(event, h2.events.DataReceived):
                    self.client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def request(self, message: bytes = b"", *, end: bool = True) -> int:
        stream: int = self.client.get_next_available_stream_id()
        self.client.send_headers(stream, REQUEST, end_stream=end and not message)
        self.exchange()
        position = 0
        while position < len(message):
            size = min(self.client.local_flow_control_window(stream), self.client.max_outbound_frame_size, 1 << 20)
            piece = message[position : position + size]
            position += len(piece)
            self.client.send_data(stream, piece, end_stream=end and position == len(message))
            self.exchange()
        return stream

    def answered(self, stream: int) -> tuple[dict[str, str], bytes, dict[str, str]]:
        """Give headers, data and trailers that the client has got."""
        mine = [event for event in self.events if getattr(event, "stream_id", None) == stream]
        headers = next((_texts(e.headers) for e in mine if isinstance(e, h2.events.ResponseReceived)), {})
        data = b"".join(event.data for event in mine if isinstance(event, h2.events.DataReceived))
        trailers = next((_texts(e.headers) for e in mine if isinstance(e, h2.events.TrailersReceived)), {})
        return headers, data, trailers

    def raw(self, data: bytes) -> None:
        """Say something to the server that h2 would not."""
        self.exchange()
        self.server.receive(memoryview(data))


@pytest.mark.parametrize("piece", [1, 7, 1000, 1 << 30])
def test_a_call_in_pieces_of_any_size(piece: int) -> None:
    wire = Wire()
    stream = wire.client.get_next_available_stream_id()
    wire.client.send_headers(stream, REQUEST)
    wire.client.send_data(stream, b"hello", end_stream=True)
    wire.exchange(piece)
    assert (b":path", b"/S/M") in wire.headers[stream]
    assert (bytes(wire.data[stream]), wire.ended) == (b"hello", [stream])
    wire.server.answer(stream, RESPONSE_HEADERS, b"world", OK_TRAILERS)
    wire.exchange(piece)
    headers, data, trailers = wire.answered(stream)
    assert (headers[":status"], headers["content-type"]) == ("200", "application/grpc")
    assert (data, trailers) == (b"world", {"grpc-status": "0"})


def test_messages_far_larger_than_the_windows_of_both_sides() -> None:
    wire = Wire()
    message = random.Random(1).randbytes(40 << 20)
    stream = wire.request(message)
    assert wire.data[stream] == message
    wire.server.answer(stream, RESPONSE_HEADERS, message, OK_TRAILERS)
    wire.exchange()
    assert wire.answered(stream)[1:] == (message, {"grpc-status": "0"})


def test_a_connection_goes_on_for_longer_than_its_first_window() -> None:
    """512 MiB in each direction on one connection: windows are replenished, and nothing piles up."""
    wire = Wire()
    message = bytes(32 << 20)
    for _ in range(16):
        stream = wire.request(message)
        wire.server.answer(stream, RESPONSE_HEADERS, message[: 1 << 20], OK_TRAILERS)
        wire.exchange()
        assert wire.answered(stream)[2] == {"grpc-status": "0"}
        wire.data.clear()
        wire.events.clear()


def test_several_answers_wait_for_the_window_and_all_arrive() -> None:
    wire = Wire()
    streams = [wire.request() for _ in range(5)]
    for number, stream in enumerate(streams):
        wire.server.answer(stream, RESPONSE_HEADERS, bytes([number]) * 50_000, OK_TRAILERS)
    wire.exchange(acknowledge=False)
    got = sum(len(wire.answered(stream)[1]) for stream in streams)
    assert got == 65_535, "as much as the connection's window allows"
    waiting = [event for event in wire.events if isinstance(event, h2.events.DataReceived)]
    for event in waiting:
        wire.client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
    wire.exchange()
    for number, stream in enumerate(streams):
        assert wire.answered(stream)[1:] == (bytes([number]) * 50_000, {"grpc-status": "0"})


def test_answers_that_wait_for_the_connections_window_go_on_in_steps_of_a_byte() -> None:
    wire = Wire()
    streams = [wire.request() for _ in range(6)]
    for number, stream in enumerate(streams):
        wire.server.answer(stream, RESPONSE_HEADERS, b"x" * (10 if number else 65_535), OK_TRAILERS)
    wire.client.reset_stream(streams[2])
    wire.exchange(acknowledge=False)
    for _ in range(40):
        wire.client.increment_flow_control_window(1)
        wire.exchange(acknowledge=False)
    for stream in (streams[1], *streams[3:]):
        assert wire.answered(stream)[1:] == (b"x" * 10, {"grpc-status": "0"})


def test_a_window_that_is_changed_many_times_in_one_frame_has_its_last_size() -> None:
    wire = Wire(initial_window_size=10)
    stream = wire.request()
    wire.server.answer(stream, RESPONSE_HEADERS, b"x" * 100, OK_TRAILERS)
    wire.exchange(acknowledge=False)
    assert len(wire.answered(stream)[1]) == 10
    sizes = b"".join(b"\0\4" + size.to_bytes(4, "big") for size in (0, 2**31 - 1, 30))
    wire.server.receive(memoryview(_frame(4, 0, 0, sizes)))  # h2 would not
    assert wire.to_client.count(b"x") == 20


def test_a_client_may_change_its_windows_while_an_answer_is_under_way() -> None:
    wire = Wire(initial_window_size=10)
    stream = wire.request()
    wire.exchange()
    wire.server.answer(stream, RESPONSE_HEADERS, b"x" * 100, OK_TRAILERS)
    wire.exchange(acknowledge=False)
    assert len(wire.answered(stream)[1]) == 10
    wire.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 70})
    wire.exchange(acknowledge=False)
    assert len(wire.answered(stream)[1]) == 70
    wire.client.increment_flow_control_window(1000, stream)
    wire.exchange(acknowledge=False)
    assert wire.answered(stream)[1:] == (b"x" * 100, {"grpc-status": "0"})


def _refusal(code: Code, details: str) -> bytes:
    return refusal_headers(RefusedCall(code, details), 1 << 16)


def test_refusals_carry_any_text() -> None:
    wire = Wire()
    stream = wire.request(b"half", end=False)
    wire.server.refuse(stream, _refusal(Code.INVALID_ARGUMENT, "100 % wrong: 'é'\n" + "x" * 5000))
    wire.exchange()
    headers, data, _ = wire.answered(stream)
    assert (headers["grpc-status"], data) == ("3", b"")
    assert headers["grpc-message"].startswith("100 %25 wrong: '%C3%A9'%0Axxx")
    assert len(headers["grpc-message"]) < 1100
    ended = [event for event in wire.events if isinstance(event, h2.events.StreamReset)]
    assert [event.error_code for event in ended] == [ErrorCode.NO_ERROR], "the client need not say the rest"


def test_a_reset_is_told_once_and_later_answers_are_dropped() -> None:
    wire = Wire()
    stream = wire.request(b"x")
    wire.client.reset_stream(stream)
    wire.exchange()
    assert wire.reset == [stream]
    wire.server.answer(stream, RESPONSE_HEADERS, b"late", OK_TRAILERS)
    wire.server.refuse(stream, OK_TRAILERS)
    wire.exchange()
    other = wire.request(b"y")
    assert other in wire.ended


def test_more_streams_than_allowed_are_refused_and_the_connection_lives() -> None:
    wire = Wire()
    wire.exchange()
    wire.client.remote_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = MAX_STREAMS + 10
    wire.client.remote_settings.acknowledge()
    streams = []
    for _ in range(MAX_STREAMS + 2):
        stream = wire.client.get_next_available_stream_id()
        wire.client.send_headers(stream, REQUEST)
        streams.append(stream)
    wire.exchange()
    refused = [event for event in wire.events if isinstance(event, h2.events.StreamReset)]
    assert [event.stream_id for event in refused] == streams[-2:]
    assert {event.error_code for event in refused} == {ErrorCode.REFUSED_STREAM}
    wire.server.refuse(streams[0], _refusal(Code.NOT_FOUND, ""))
    wire.exchange()
    assert wire.request(b"x") in wire.ended


def test_pings_are_answered_and_unknown_frames_ignored() -> None:
    wire = Wire()
    wire.client.ping(b"12345678")
    wire.raw(bytes([0, 0, 3, 0xFA, 0xFF, 0, 0, 0, 9]) + b"abc")
    wire.exchange()
    assert any(isinstance(event, h2.events.PingAckReceived) for event in wire.events)


def test_padding_and_priority_are_understood() -> None:
    wire = Wire()
    wire.exchange()
    stream = wire.client.get_next_available_stream_id()
    wire.client.send_headers(stream, REQUEST, priority_weight=3, priority_depends_on=0)
    wire.client.send_data(stream, b"padded", end_stream=True, pad_length=200)
    wire.exchange()
    assert wire.data[stream] == b"padded"


def test_headers_in_continuation_frames() -> None:
    wire = Wire()
    wire.exchange()
    stream = wire.client.get_next_available_stream_id()
    wire.client.send_headers(stream, [*REQUEST, *((f"x-{i}", "v" * 900) for i in range(30))], end_stream=True)
    wire.exchange(piece=100)
    assert len(wire.headers[stream]) == len(REQUEST) + 30


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (_frame(0, 0, 0, b"x"), ErrorCode.PROTOCOL_ERROR),
        (_frame(0, 0, 99, b"x"), ErrorCode.PROTOCOL_ERROR),
        (_frame(0, 8, 1, b"\x05abc"), ErrorCode.PROTOCOL_ERROR),
        (_frame(1, 4, 2, b"\x82"), ErrorCode.PROTOCOL_ERROR),
        (_frame(1, 4, 3, b"\xff\xff\xff"), ErrorCode.COMPRESSION_ERROR),
        (_frame(1, 0, 3, b"\x82") + _frame(0, 0, 1, b"x"), ErrorCode.PROTOCOL_ERROR),
        (_frame(9, 4, 1, b"\x82"), ErrorCode.PROTOCOL_ERROR),
        (_frame(1, 0, 3, b"\x82") + _frame(9, 0, 3, b""), ErrorCode.ENHANCE_YOUR_CALM),
        (_frame(1, 0, 3, b"\x82") + 270 * _frame(9, 0, 3, b"\x82" * 1000), ErrorCode.ENHANCE_YOUR_CALM),
        (_frame(3, 0, 99, bytes(4)), ErrorCode.PROTOCOL_ERROR),
        (_frame(4, 0, 0, b"12345"), ErrorCode.FRAME_SIZE_ERROR),
        (_frame(4, 0, 0, bytes([0, 4, 255, 255, 255, 255])), ErrorCode.FLOW_CONTROL_ERROR),
        (_frame(4, 0, 0, bytes([0, 5, 0, 0, 0, 1])), ErrorCode.PROTOCOL_ERROR),
        (_frame(5, 0, 1, bytes(4)), ErrorCode.PROTOCOL_ERROR),
        (_frame(6, 0, 0, b"short"), ErrorCode.FRAME_SIZE_ERROR),
        (_frame(8, 0, 0, bytes(4)), ErrorCode.PROTOCOL_ERROR),
        (_frame(8, 0, 0, b"\x7f\xff\xff\xff"), ErrorCode.FLOW_CONTROL_ERROR),
        (_frame(8, 0, 99, b"\0\0\0\x01"), ErrorCode.PROTOCOL_ERROR),
        (_frame(6, 0, 0, bytes(8)) * 101, ErrorCode.ENHANCE_YOUR_CALM),
        (_frame(4, 0, 0) * 101, ErrorCode.ENHANCE_YOUR_CALM),
        (_frame(1, 4, 3, b"\x20" * 270_000), ErrorCode.ENHANCE_YOUR_CALM),
        (b"\xff\xff\xff" + bytes(6), ErrorCode.FRAME_SIZE_ERROR),
        # Only data may be as large as the settings say: other frames are collected.
        (b"\x10\0\1\1\4\0\0\0\3", ErrorCode.FRAME_SIZE_ERROR),
        (b"\x10\0\1\xfa\0\0\0\0\0", ErrorCode.FRAME_SIZE_ERROR),
    ],
)
def test_a_client_that_breaks_the_protocol_is_told_how(data: bytes, code: ErrorCode) -> None:
    wire = Wire()
    wire.request(b"x", end=False)
    with pytest.raises(ProtocolError) as broken:
        wire.raw(data)
    assert broken.value.code is code
    assert not wire.server.open
    assert wire.to_client.endswith(str(broken.value).encode()), "the last frame is a GOAWAY with the reason"


def test_what_is_not_http2_at_all() -> None:
    with pytest.raises(ProtocolError, match="this is not an HTTP/2 client: it begins with b'hello'"):
        Wire().server.receive(memoryview(b"hello"))


def test_random_bytes_end_in_an_error_or_in_silence_but_never_otherwise() -> None:
    rng = random.Random(4)
    broken = 0
    for _ in range(400):
        wire = Wire()
        stream = wire.request(b"x", end=False)
        data = bytearray(
            _frame(rng.choice(range(10)), rng.choice((0, 1, 4, 5, 8, 12)), rng.choice((0, stream, 3)), rng.randbytes(9))
        )
        for _ in range(rng.randint(0, 2)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            wire.raw(bytes(data) * 2)
        except ProtocolError:
            broken += 1
    assert broken > 100
