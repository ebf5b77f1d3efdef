"""What RFC 9113 forbids a client, said by an independent encoder (hyperframe and hpack) that checks nothing."""

from __future__ import annotations

import hpack
import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from edge_agent.serving.http2.connection import Connection
from edge_agent.serving.http2.frames import PREFACE, ErrorCode, ProtocolError
from edge_agent.serving.http2.header_blocks import MAX_HEADER_LIST, Headers, block_of

PSEUDO = [(":method", "POST"), (":scheme", "http"), (":path", "/S/M"), (":authority", "x")]
REQUEST = [*PSEUDO, ("te", "trailers"), ("content-type", "application/grpc")]
ANSWER = block_of([(b":status", b"200")])
TRAILERS = block_of([(b"grpc-status", b"0")])


class Peer:
    """A client that says what it likes, and the connection that hears it."""

    def __init__(self, **settings: int) -> None:
        self.said = bytearray()
        self.writes = 0
        self.encoder = hpack.Encoder()
        self.headers: dict[int, Headers] = {}
        self.data: dict[int, bytes] = {}
        self.overlong: dict[int, int] = {}
        self.ended: list[int] = []
        self.reset: list[int] = []
        #: streams that are refused as soon as their headers have come
        self.refused: set[int] = set()
        self.on_end, self.on_reset, self.on_overlong = self.ended.append, self.reset.append, self.overlong.__setitem__
        self.server = Connection(self._write, self)
        numbers = {getattr(SettingsFrame, name.upper()): value for name, value in settings.items()}
        self.server.receive(memoryview(PREFACE + SettingsFrame(0, settings=numbers).serialize()))
        self.frames()

    def _write(self, *parts: bytes | memoryview) -> None:
        self.writes += 1
        self.said += b"".join(parts)

    def on_headers(self, stream: int, headers: Headers) -> None:
        self.headers[stream] = headers
        if stream in self.refused:
            self.server.refuse(stream, TRAILERS)

    def on_data(self, stream: int, data: memoryview) -> None:
        self.data[stream] = self.data.get(stream, b"") + bytes(data)

    def say(self, *frames: Frame | bytes) -> None:
        """Say frames, all of them at once."""
        whole = b"".join(frame if isinstance(frame, bytes) else frame.serialize() for frame in frames)
        self.server.receive(memoryview(whole))

    def open(self, stream: int, headers: list[tuple[str, str]] | None = None, *flags: str) -> HeadersFrame:
        block = self.encoder.encode(REQUEST if headers is None else headers)
        return HeadersFrame(stream, block, flags=["END_HEADERS", *flags])

    def frames(self) -> list[Frame]:
        """Read what the server has said since this was last asked."""
        found, position = [], 0
        while position < len(self.said):
            frame, length = Frame.parse_frame_header(memoryview(self.said[position : position + 9]))
            frame.parse_body(memoryview(self.said[position + 9 : position + 9 + length]))
            found.append(frame)
            position += 9 + length
        self.said.clear()
        return found

    def resets(self) -> list[tuple[int, int]]:
        return [(frame.stream_id, frame.error_code) for frame in self.frames() if isinstance(frame, RstStreamFrame)]


def _decoded(decoder: hpack.Decoder, block: bytes) -> dict[str, str]:
    return {str(name): str(value) for name, value in decoder.decode(block)}


# A setting that is acknowledged is acted on


@pytest.mark.parametrize("size", [0, 1, 100, 4095])
def test_a_client_with_less_room_for_the_table_can_decode_what_comes(size: int) -> None:
    """RFC 7541, 4.2: the next block begins with the new size, and no other has to."""
    peer = Peer(header_table_size=size)
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = size
    for stream in (1, 3):
        peer.say(peer.open(stream, None, "END_STREAM"))
        peer.server.answer(stream, ANSWER, b"x", TRAILERS)
        blocks = [frame.data for frame in peer.frames() if isinstance(frame, HeadersFrame)]
        assert [_decoded(decoder, block) for block in blocks] == [{":status": "200"}, {"grpc-status": "0"}]


def test_a_table_that_becomes_smaller_in_the_middle_of_a_connection() -> None:
    peer = Peer()
    decoder = hpack.Decoder()
    for stream, size in ((1, 4096), (3, 64), (5, 4096), (7, 0)):
        peer.say(SettingsFrame(0, settings={SettingsFrame.HEADER_TABLE_SIZE: size}))
        decoder.max_allowed_table_size = size
        peer.say(peer.open(stream, None, "END_STREAM"))
        peer.server.refuse(stream, TRAILERS)
        (block,) = [frame.data for frame in peer.frames() if isinstance(frame, HeadersFrame)]
        assert _decoded(decoder, block) == {"grpc-status": "0"}


# A refusal is one write, and no reset when the client has ended


def test_a_refusal_looks_at_what_has_been_read_before_it_resets() -> None:
    peer = Peer()
    peer.refused = {1, 3, 5}
    peer.writes = 0
    peer.say(peer.open(1), DataFrame(1, b"message", flags=["END_STREAM"]))
    assert [type(frame) for frame in peer.frames()] == [HeadersFrame], "the request has ended: no reset"
    peer.say(peer.open(3), DataFrame(3, b"mess"))
    assert peer.writes == 2, "headers and reset in one write"
    headers, reset = peer.frames()
    assert isinstance(reset, RstStreamFrame)
    assert ("END_STREAM" in headers.flags, reset.error_code) == (True, ErrorCode.NO_ERROR)
    peer.say(DataFrame(3, b"age", flags=["END_STREAM"]), peer.open(5), RstStreamFrame(5, error_code=8))
    assert peer.frames() == [], "what was under way is dropped, and nobody wants an answer"


# Malformed requests


@pytest.mark.parametrize(
    "headers",
    [
        [*PSEUDO, ("X-Upper", "a")],
        [*PSEUDO, ("a b", "c")],
        [*PSEUDO, ("", "c")],
        [*PSEUDO, ("a", "b\r\nc: d")],
        [*PSEUDO, ("a", "b\0")],
        [*PSEUDO, (":unknown", "a")],
        [*PSEUDO, (":status", "200")],
        [*PSEUDO[:3], ("te", "trailers"), PSEUDO[3]],
        [*PSEUDO, (":path", "/S/Other")],
        [*PSEUDO, (":method", "POST")],
        PSEUDO[1:],
        [PSEUDO[0], *PSEUDO[2:]],
        [*PSEUDO[:2], PSEUDO[3]],
        [*PSEUDO[:2], (":path", "")],
        [*PSEUDO[:2], (":path", ""), PSEUDO[3]],
        [*PSEUDO, ("connection", "keep-alive")],
        [*PSEUDO, ("keep-alive", "5")],
        [*PSEUDO, ("proxy-connection", "close")],
        [*PSEUDO, ("transfer-encoding", "chunked")],
        [*PSEUDO, ("upgrade", "h2c")],
        [*PSEUDO, ("te", "trailers, deflate")],
        [*PSEUDO, ("content-length", "x")],
        [*PSEUDO, ("content-length", "1"), ("content-length", "2")],
        [(":method", "CONNECT"), (":authority", "x")],
        [],
    ],
)
def test_malformed_requests_reset_their_stream_and_nothing_else(headers: list[tuple[str, str]]) -> None:
    peer = Peer()
    block = hpack.Encoder().encode(headers, huffman=False)
    peer.say(HeadersFrame(1, block, flags=["END_HEADERS"]), DataFrame(1, b"x", flags=["END_STREAM"]))
    assert peer.resets() == [(1, ErrorCode.PROTOCOL_ERROR)]
    assert (peer.headers, peer.ended) == ({}, [])
    peer.say(HeadersFrame(3, hpack.Encoder().encode(REQUEST), flags=["END_HEADERS", "END_STREAM"]))
    assert peer.ended == [3]


def test_white_space_around_a_value_is_taken_as_other_servers_for_grpc_take_it() -> None:
    peer = Peer()
    peer.say(peer.open(1, [*REQUEST, ("part-id", " A-17 "), ("station", " ")], "END_STREAM"))
    assert (peer.ended, peer.resets()) == ([1], [])


def test_a_malformed_request_that_is_made_again_and_again_is_reset_each_time() -> None:
    """Equal blocks are not decoded again."""
    peer = Peer()
    for stream in (1, 3, 5, 7):
        peer.say(peer.open(stream, [*PSEUDO, ("te", "gzip")], "END_STREAM"))
    assert peer.resets() == [(stream, ErrorCode.PROTOCOL_ERROR) for stream in (1, 3, 5, 7)]


@pytest.mark.parametrize(
    ("length", "pieces", "right"),
    [(3, [b"abc"], True), (3, [b"a", b"bc"], True), (0, [b""], True), (2, [b"abc"], False), (4, [b"abc"], False),
     (3, [b"ab", b"cd"], False), (1, [b""], False)],
)  # fmt: skip
def test_content_length_is_that_of_the_data(length: int, pieces: list[bytes], right: bool) -> None:
    peer = Peer()
    frames = [DataFrame(1, piece) for piece in pieces]
    frames[-1].flags.add("END_STREAM")
    peer.say(peer.open(1, [*REQUEST, ("content-length", str(length))]), *frames)
    assert (peer.ended == [1], peer.resets()) == (right, [] if right else [(1, ErrorCode.PROTOCOL_ERROR)])
    peer.say(peer.open(3, [*REQUEST, ("content-length", str(length))], "END_STREAM"))
    assert (3 in peer.ended) == (length == 0)


@pytest.mark.parametrize(
    ("headers", "flags", "right"),
    [
        ([("a", "b")], ["END_STREAM"], True),
        ([("a", "b")], [], False),
        ([(":path", "/S/M")], ["END_STREAM"], False),
        ([("A", "b")], ["END_STREAM"], False),
    ],
)
def test_trailers_of_a_request(headers: list[tuple[str, str]], flags: list[str], right: bool) -> None:
    peer = Peer()
    peer.say(peer.open(1), DataFrame(1, b"x"), peer.open(1, headers, *flags))
    assert (peer.ended, peer.reset) == (([1], []) if right else ([], [1]))
    assert peer.resets() == ([] if right else [(1, ErrorCode.PROTOCOL_ERROR)])


# Too many headers end the call


@pytest.mark.parametrize(
    "headers",
    [[(f"x-{i}", "v" * 900) for i in range(100)], [("x", "v" * MAX_HEADER_LIST)], [("a", "")] * 5000],
)
def test_too_many_headers_refuse_the_call_and_the_connection_goes_on(headers: list[tuple[str, str]]) -> None:
    peer = Peer()
    block = peer.encoder.encode([*REQUEST, *headers], huffman=False)
    pieces = [block[start : start + 16_000] for start in range(0, len(block), 16_000)]
    first = HeadersFrame(1, pieces[0], flags=["END_STREAM"])
    if len(pieces) == 1:
        first.flags.add("END_HEADERS")
    rest = [ContinuationFrame(1, piece) for piece in pieces[1:]]
    if rest:
        rest[-1].flags.add("END_HEADERS")
    peer.say(first, *rest)
    assert list(peer.overlong) == [1]
    assert peer.overlong[1] > MAX_HEADER_LIST
    peer.say(peer.open(3, None, "END_STREAM"))
    assert (b":path", b"/S/M") in peer.headers[3], "the table that both sides keep is still the same"


def test_a_small_block_that_decodes_to_megabytes() -> None:
    peer = Peer()
    value = "v" * 3900
    peer.say(peer.open(1, [*REQUEST, ("x", value)], "END_STREAM"))
    peer.say(peer.open(3, [*REQUEST, *[("x", value)] * 1000], "END_STREAM"))
    assert peer.overlong == {3: pytest.approx(3_900_000, rel=0.1)}


# Codes, and checks


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\0\0\0\4\0\0\0\0\1", ErrorCode.PROTOCOL_ERROR),  # SETTINGS on a stream
        (b"\0\0\x08\6\0\0\0\0\1" + bytes(8), ErrorCode.PROTOCOL_ERROR),  # PING on a stream
        (b"\0\0\3\3\0\0\0\0\1abc", ErrorCode.FRAME_SIZE_ERROR),  # RST_STREAM of three bytes
        (b"\0\0\4\x08\0\0\0\0\0" + bytes(4), ErrorCode.PROTOCOL_ERROR),  # WINDOW_UPDATE of 0
        (SettingsFrame(0, settings={SettingsFrame.ENABLE_PUSH: 2}), ErrorCode.PROTOCOL_ERROR),
        (SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 2**31}), ErrorCode.FLOW_CONTROL_ERROR),
        (b"\0\0\x08\7\0\0\0\0\1" + bytes(8), ErrorCode.PROTOCOL_ERROR),  # GOAWAY on a stream
        (b"\0\0\5\2\0\0\0\0\0" + bytes(5), ErrorCode.PROTOCOL_ERROR),  # PRIORITY on stream 0
        (b"\0\0\4\2\0\0\0\0\x09" + bytes(4), ErrorCode.FRAME_SIZE_ERROR),  # PRIORITY of four bytes, on no stream
        (b"\0\0\4\1\x24\0\0\0\7" + bytes(4), ErrorCode.FRAME_SIZE_ERROR),  # HEADERS without room for their priority
        (HeadersFrame(5, b"\x82", flags=["END_HEADERS"]), ErrorCode.PROTOCOL_ERROR),  # 5 after 1 and 7
        (DataFrame(3, b"x"), ErrorCode.PROTOCOL_ERROR),
        (HeadersFrame(9, b"\x82", flags=["END_HEADERS"]), ErrorCode.STREAM_CLOSED),
        (DataFrame(9, b"x"), ErrorCode.STREAM_CLOSED),
    ],
)
def test_what_ends_the_connection_and_with_which_code(frame: Frame | bytes, code: ErrorCode) -> None:
    peer = Peer()
    peer.say(peer.open(1), peer.open(7), peer.open(9, None, "END_STREAM"))
    peer.server.answer(9, ANSWER, b"", TRAILERS)
    with pytest.raises(ProtocolError) as broken:
        peer.say(frame)
    assert broken.value.code is code
    assert isinstance(peer.frames()[-1], GoAwayFrame)


def test_a_first_frame_that_is_not_settings() -> None:
    server = Peer.__new__(Peer)
    connection = Connection(lambda *parts: None, server)
    with pytest.raises(ProtocolError, match="the first frame is not SETTINGS"):
        connection.receive(memoryview(PREFACE + PingFrame(0, bytes(8)).serialize()))


@pytest.mark.parametrize("frame", ["data", "headers"])
def test_what_comes_on_a_stream_that_the_client_has_ended(frame: str) -> None:
    """Before it is answered that is an error of the stream, afterwards of the connection."""
    peer = Peer()
    peer.say(peer.open(1, None, "END_STREAM"))
    late = DataFrame(1, b"late") if frame == "data" else peer.open(1, [("a", "b")], "END_STREAM")
    peer.say(late)
    assert (peer.reset, peer.resets()) == ([1], [(1, ErrorCode.STREAM_CLOSED)])


def test_an_empty_window_update_and_a_short_priority_reset_their_stream() -> None:
    peer = Peer()
    peer.say(peer.open(1), peer.open(3), WindowUpdateFrame(3, 7))
    peer.say(b"\0\0\4\x08\0\0\0\0\1" + bytes(4), b"\0\0\4\2\0\0\0\0\3" + bytes(4))
    assert peer.resets() == [(1, ErrorCode.PROTOCOL_ERROR), (3, ErrorCode.FRAME_SIZE_ERROR)]
    assert peer.reset == [1, 3]


def test_a_window_that_a_setting_makes_too_large() -> None:
    peer = Peer()
    peer.say(peer.open(1), WindowUpdateFrame(1, 2**31 - 1 - 65_535))
    with pytest.raises(ProtocolError) as broken:
        peer.say(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65_536}))
    assert broken.value.code is ErrorCode.FLOW_CONTROL_ERROR


def test_priorities_are_heard_and_of_no_effect() -> None:
    peer = Peer()
    peer.say(PriorityFrame(99, stream_weight=3), peer.open(1, None, "END_STREAM"), PriorityFrame(1))
    assert (peer.ended, peer.frames()) == ([1], [])


# Streams that go on


def test_a_stream_in_both_directions_for_longer_than_its_windows() -> None:
    peer = Peer(initial_window_size=10)
    queued: list[int] = []
    peer.say(peer.open(1))
    peer.server.begin(1, ANSWER)
    peer.server.send(1, b"0123456789ab", lambda: queued.append(1))
    assert [bytes(f.data) for f in peer.frames() if isinstance(f, DataFrame)] == [b"0123456789"]
    assert not queued, "the client has not taken all of it"
    peer.say(WindowUpdateFrame(1, 100))
    assert [bytes(f.data) for f in peer.frames() if isinstance(f, DataFrame)] == [b"ab"]
    assert queued == [1]
    for _ in range(200):
        for _ in range(64):
            peer.say(DataFrame(1, bytes(16_000)))
        peer.data.clear()
    updates = [f for f in peer.frames() if isinstance(f, WindowUpdateFrame) and f.stream_id == 1]
    assert sum(f.window_increment for f in updates) > 128 << 20
    peer.server.end(1, TRAILERS)
    end, reset = peer.frames()
    assert isinstance(reset, RstStreamFrame)
    assert ("END_STREAM" in end.flags, reset.error_code) == (True, ErrorCode.NO_ERROR)
