"""One client's HTTP/2 connection, as much of RFC 9113 as gRPC uses, without I/O: bytes in, streams out, and bytes out.

The agent speaks HTTP/2 itself because the way of a picture is what it is measured by. gRPC's own server hands each call
from thread to thread and copies a message several times; here the event loop that talks to the workers reads the socket
as well, and a message is put together once, in a buffer that is kept. docs/performance.md has the figures.

This is what the two halves (receiving.py, sending.py) have in common: which streams there are, and how each stands.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from edge_agent.serving.http2.frames import (
    ACK,
    DEFAULT_WINDOW,
    END_STREAM,
    ErrorCode,
    Frame,
    ProtocolError,
    Setting,
    frame_head,
    goaway_frame,
    settings_frame,
    word_frame,
)
from edge_agent.serving.http2.header_blocks import MAX_HEADER_LIST, BlockReader
from edge_agent.serving.http2.receiving import MAX_FRAME, FrameReader
from edge_agent.serving.http2.sending import Sender, Write
from edge_agent.serving.http2.streams import StreamReceiver

log = logging.getLogger(__name__)

#: streams that a client may have open; it keeps further calls back by itself
MAX_STREAMS = 256
#: what a client may send before we say that we have taken it; replenished long before it runs out
_CONNECTION_WINDOW = 1 << 30
_STREAM_WINDOW = 1 << 27

_SETTINGS = {
    Setting.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
    Setting.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
    Setting.MAX_FRAME_SIZE: MAX_FRAME,
    Setting.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST,
}

#: streams that we have ended before the client had, and of which we remember that something may be under way
_MOST_CUT = 4 * MAX_STREAMS
_MOST_GAPS = 16  # in the numbers of a client's streams that we remember


class Connection:
    """The server's side of one connection."""

    def __init__(self, write: Write, receiver: StreamReceiver) -> None:
        """`write` takes bytes for the client, in one piece or several; they are complete frames."""
        self._write, self._receiver = write, receiver
        self._frames = FrameReader(self)
        self._blocks = BlockReader()
        self._sender = Sender(write, self._on_finished)
        self._streams = self._sender.streams
        self._last_stream = 0
        self._gaps: deque[tuple[int, int]] = deque(maxlen=_MOST_GAPS)  # (first, last) of numbers that were left out
        self._taken = 0  # bytes of data received since the connection's window was last replenished
        self._receiving: set[int] = set()  # streams on which the client has not ended its side
        self._announced: dict[int, int] = {}  # of streams with a content-length: bytes that are to come
        self._taken_of: dict[int, int] = {}  # of streams that go on: bytes since the stream's window was replenished
        #: streams that have ended, though the client had not: what it sends on them is dropped
        self._cut: dict[int, None] = {}
        # Streams that are refused: whether a reset must follow is known when all that was read has been looked at.
        self._refused: dict[int, bytes] = {}
        self._in_receive = False
        self.open = True
        write(settings_frame(_SETTINGS) + word_frame(Frame.WINDOW_UPDATE, 0, _CONNECTION_WINDOW - DEFAULT_WINDOW))

    # Receiving

    def receive(self, data: memoryview) -> None:
        """Take bytes from the client, in pieces of any size.

        Raises:
            ProtocolError: the client broke the protocol; it has been told so, and the connection is to be closed.
        """
        self._in_receive = True
        try:
            self._frames.receive(data)
        except ProtocolError as error:
            self.open = False
            self._write_refusals()
            self._write(goaway_frame(self._last_stream, error.code, str(error)))
            raise
        finally:
            self._in_receive = False
        if self._refused:
            self._write_refusals()

    @property
    def expected(self) -> tuple[int, int]:
        """The stream of the DATA frame under way, and how many bytes of its data come next; (0, 0) for none.

        The shell may read so many bytes, or fewer, from the client to where they belong, and say so with `received`.
        """
        frames = self._frames
        return (frames.stream, frames.left) if frames.left and frames.stream in self._receiving else (0, 0)

    def received(self, count: int) -> None:
        """Take note that the shell has read `count` of the bytes that were `expected`."""
        self._frames.received(count)

    def on_block(self, stream: int, block: bytes, *, ends: bool) -> None:
        """Open a stream, or end the client's side of one with trailers."""
        if stream > self._last_stream:
            self._open(stream, block, ends=ends)
            return
        problem = self._blocks.trailers(block)  # in any case: it belongs to the compression's state
        if stream in self._receiving:
            if not ends:
                problem = problem or "headers in the middle of a stream"
            if problem:
                self._break(stream, ErrorCode.PROTOCOL_ERROR, problem)
            else:
                self.on_data_end(stream)
        elif self._is_over(stream) and ends:
            self._cut.pop(stream, None)

    def _open(self, stream: int, block: bytes, *, ends: bool) -> None:
        request = self._blocks.request(block)
        if stream > self._last_stream + 2:
            self._gaps.append((self._last_stream + 1, stream - 1))
        self._last_stream = stream
        problem = request.problem or ("content-length without data" if ends and request.content_length else "")
        if problem or len(self._streams) >= MAX_STREAMS:
            if problem:
                log.debug("stream %d is reset: %s", stream, problem)
            if not ends:
                self._note_cut(stream)
            code = ErrorCode.PROTOCOL_ERROR if problem else ErrorCode.REFUSED_STREAM
            self._write(word_frame(Frame.RST_STREAM, stream, code))
            return
        self._sender.open(stream)
        self._receiving.add(stream)
        if request.content_length is not None:
            self._announced[stream] = request.content_length
        if request.overlong:
            self._receiver.on_overlong(stream, request.overlong)
        else:
            self._receiver.on_headers(stream, request.headers)
        if ends:
            self.on_data_end(stream)

    def on_data_head(self, stream: int, length: int, counted: int, *, ends: bool) -> None:
        """Check whether data may come on a stream, and that the client may go on to send."""
        # Windows are large and replenished on arrival: what bounds memory is the size of a message and the number of
        # streams. A window that closed while several messages are half there would never open again.
        self._taken += counted
        if self._taken > _CONNECTION_WINDOW // 4:
            self._write(word_frame(Frame.WINDOW_UPDATE, 0, self._taken))
            self._taken = 0
        if stream not in self._receiving:
            self._check_opened(stream, "DATA")
            self._is_over(stream)
            return
        if self._taken_of and stream in self._taken_of:
            self._replenish(stream, counted)
        if self._announced and stream in self._announced:
            left = self._announced[stream] = self._announced[stream] - length
            if left < 0 or (ends and left):
                self._break(stream, ErrorCode.PROTOCOL_ERROR, "data of another length than content-length says")

    def on_data(self, stream: int, data: memoryview) -> None:
        """Pass data on, unless the stream has been answered or reset already."""
        if stream in self._receiving:
            self._receiver.on_data(stream, data)

    def on_data_end(self, stream: int) -> None:
        """End the client's side of a stream."""
        if stream not in self._receiving:
            self._cut.pop(stream, None)
        elif self._announced and self._announced.get(stream):
            self._break(stream, ErrorCode.PROTOCOL_ERROR, "less data than content-length says")
        else:
            self._forget_receiving(stream)
            self._receiver.on_end(stream)

    def on_reset(self, stream: int) -> None:
        """Forget a stream whose answer nobody wants."""
        self._check_opened(stream, "RST_STREAM")
        self._forget_receiving(stream)
        self._cut.pop(stream, None)
        self._refused.pop(stream, None)
        if self._sender.forget(stream):
            self._receiver.on_reset(stream)

    def on_priority(self, stream: int, length: int) -> None:
        """Check a PRIORITY frame, of which nothing follows."""
        if length != 5:
            if stream not in self._streams:
                raise ProtocolError(ErrorCode.FRAME_SIZE_ERROR, f"PRIORITY of {length} bytes, expected 5")
            self._break(stream, ErrorCode.FRAME_SIZE_ERROR, f"PRIORITY of {length} bytes, expected 5")

    def on_settings(self, payload: memoryview) -> None:
        """Do as the client wants it."""
        self._sender.apply_settings(payload)

    def on_ping(self, payload: memoryview) -> None:
        """Answer a PING."""
        self._write(frame_head(Frame.PING, ACK, 0, 8) + payload)

    def on_window_update(self, stream: int, increment: int) -> None:
        """Send what the client now takes."""
        if stream:
            self._check_opened(stream, "WINDOW_UPDATE")
            if stream in self._streams:
                if not increment:
                    self._break(stream, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0")
                elif not self._sender.widen_stream(stream, increment):
                    self._break(stream, ErrorCode.FLOW_CONTROL_ERROR, "the stream's window overflowed")
        elif not increment:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0")
        else:
            self._sender.widen(increment)

    # How a stream stands

    def _check_opened(self, stream: int, frame: str) -> None:
        if stream > self._last_stream or stream % 2 == 0:
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, f"{frame} on a stream that was never opened")

    def _is_over(self, stream: int) -> bool:
        """Deal with data or headers on a stream on which the client has no more to say; True for one that we ended.

        RFC 9113, 5.1: on one that it has ended itself that is an error, of the stream while we have not, and else of
        the connection; on one that we have ended, something may have been under way.
        """
        if stream in self._cut:
            return True
        if stream in self._streams:
            self._break(stream, ErrorCode.STREAM_CLOSED, "the client has ended it")
            return False
        if any(first <= stream <= last for first, last in self._gaps):
            raise ProtocolError(ErrorCode.PROTOCOL_ERROR, f"stream {stream} after stream {self._last_stream}")
        raise ProtocolError(ErrorCode.STREAM_CLOSED, f"stream {stream} has ended")

    def _break(self, stream: int, code: ErrorCode, reason: str) -> None:
        """End a stream on which the client has broken the rules, and tell both of it."""
        if stream in self._streams:
            log.debug("stream %d is reset: %s", stream, reason)
            self.reset(stream, code)
            self._receiver.on_reset(stream)

    def _note_cut(self, stream: int) -> None:
        self._cut[stream] = None
        if len(self._cut) > _MOST_CUT:  # the oldest: the client has opened many more since, and knows by now
            del self._cut[next(iter(self._cut))]

    def _forget_receiving(self, stream: int) -> None:
        self._receiving.discard(stream)
        if self._announced:
            self._announced.pop(stream, None)
        if self._taken_of:
            self._taken_of.pop(stream, None)

    def _replenish(self, stream: int, counted: int) -> None:
        taken = self._taken_of[stream] + counted
        if taken > _STREAM_WINDOW // 4:
            self._write(word_frame(Frame.WINDOW_UPDATE, stream, taken))
            taken = 0
        self._taken_of[stream] = taken

    # Sending

    def answer(
        self,
        stream: int,
        headers: bytes,
        data: bytes | memoryview,
        trailers: bytes,
        on_queued: Callable[[], None] | None = None,
    ) -> None:
        """Send headers, data and trailers on a stream, which ends with them: see Sender.answer."""
        self._sender.answer(stream, headers, data, trailers, on_queued)

    def refuse(self, stream: int, headers: bytes) -> None:
        """End a stream with nothing but headers."""
        if not self._in_receive or stream not in self._receiving:
            self._sender.end(stream, headers)
        elif self._sender.forget(stream):
            self._refused[stream] = self._sender.headers(stream, headers, END_STREAM)
            self._forget_receiving(stream)
            self._note_cut(stream)

    def begin(self, stream: int, headers: bytes) -> None:
        """Send headers on a stream that goes on, with `send` and `end`; its client may go on as well, for ever."""
        if stream in self._streams:
            if stream in self._receiving:
                self._taken_of[stream] = 0
            self._write(self._sender.headers(stream, headers))

    def send(self, stream: int, data: bytes, on_queued: Callable[[], None]) -> None:
        """Send a piece of data on a stream that has begun: see Sender.send."""
        self._sender.send(stream, data, on_queued)

    def end(self, stream: int, trailers: bytes) -> None:
        """End a stream that has begun, behind what is still to be sent on it."""
        self._sender.end(stream, trailers)

    def reset(self, stream: int, code: ErrorCode) -> None:
        """End a stream without an answer."""
        if self._sender.forget(stream):
            if stream in self._receiving:
                self._forget_receiving(stream)
                self._note_cut(stream)
            self._write(word_frame(Frame.RST_STREAM, stream, code))

    @property
    def max_header_list(self) -> int:
        """Bytes of headers that the client takes, as RFC 9113, 6.5.2 counts them."""
        return self._sender.max_header_list

    def go_away(self) -> None:
        """Tell the client to make no further calls here."""
        self._write(goaway_frame(self._last_stream, ErrorCode.NO_ERROR, "the agent ends"))

    def abandon(self) -> None:
        """Forget what was still to be sent: the client has gone."""
        self._sender.forget_all()
        self._receiving.clear()

    def _on_finished(self, stream: int) -> bytes:
        """Give what follows the end of an answer: a reset, where the client has not said all. It need not go on."""
        if stream not in self._receiving:
            return b""
        self._forget_receiving(stream)
        self._note_cut(stream)
        return word_frame(Frame.RST_STREAM, stream, ErrorCode.NO_ERROR)

    def _write_refusals(self) -> None:
        refused, self._refused = self._refused, {}
        for stream, frame in refused.items():
            reset = word_frame(Frame.RST_STREAM, stream, ErrorCode.NO_ERROR) if stream in self._cut else b""
            self._write(frame + reset)
