"""The sending half of a connection: what is said on streams, as far as the client's windows and settings allow."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

from edge_agent.serving.http2.frames import (
    ACK,
    DEFAULT_MAX_FRAME,
    DEFAULT_WINDOW,
    END_STREAM,
    MAX_WINDOW,
    ErrorCode,
    Frame,
    ProtocolError,
    Setting,
    frame_head,
    headers_frame,
)
from edge_agent.serving.http2.header_blocks import NO_TABLE

#: an answer up to this size is put together with its frames, in one piece
_SMALL = 1 << 16
_DEFAULT_TABLE = 4096  # RFC 9113, 6.5.2


class Write(Protocol):
    """Where bytes for the client go."""

    def __call__(self, *parts: bytes | memoryview) -> None: ...


class _Outgoing:
    """What is still to be sent on a stream: data, as far as the windows allow, then the trailers, if it ends there."""

    __slots__ = ("data", "on_queued", "trailers", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.data = memoryview(b"")
        self.on_queued: Callable[[], None] | None = None
        self.trailers: bytes | None = None


class Sender:
    """What has still to be said on a client's streams."""

    def __init__(self, write: Write, on_finished: Callable[[int], bytes]) -> None:
        """`write` takes complete frames, in one piece or several.

        `on_finished` is told the number of a stream that ends with what is written next, and gives what is to be
        written behind that.
        """
        self.write, self._on_finished = write, on_finished
        self._window, self._initial_window, self._max_frame = DEFAULT_WINDOW, DEFAULT_WINDOW, DEFAULT_MAX_FRAME
        #: streams that have not ended on this side
        self.streams: dict[int, _Outgoing] = {}
        self._held: dict[int, None] = {}  # streams that wait for the connection's window, the first first
        self._table = _DEFAULT_TABLE
        #: bytes of headers that the client takes; it need not say
        self.max_header_list = MAX_WINDOW

    def open(self, stream: int) -> None:
        """Take note of a stream that the client has opened."""
        self.streams[stream] = _Outgoing(self._initial_window)

    def forget(self, stream: int) -> bool:
        """Send nothing more on a stream; tell whether it was there."""
        self._held.pop(stream, None)
        return self.streams.pop(stream, None) is not None

    def forget_all(self) -> None:
        """Send nothing more at all."""
        self.streams.clear()
        self._held.clear()

    # What is said

    def headers(self, stream: int, block: bytes, flags: int = 0) -> bytes:
        """Make a HEADERS frame of a header block."""
        if self._table < 0:  # the client has less room for a table than before: the first block says that we need none
            self._table, block = 0, NO_TABLE + block
        return headers_frame(stream, block, flags)

    def answer(
        self,
        stream: int,
        headers: bytes,
        data: bytes | memoryview,
        trailers: bytes,
        on_queued: Callable[[], None] | None = None,
    ) -> None:
        """Send headers, data and trailers (header blocks, compressed) on a stream, which ends with them.

        `data` may be large: it is written from where it lies, and `on_queued` called when the last of it has been given
        to `write`.
        """
        outgoing = self.streams.get(stream)
        if outgoing is None:  # the client has reset it
            return
        length = len(data)
        if length <= min(outgoing.window, self._window, self._max_frame, _SMALL):
            self._window -= length
            self.write(
                (headers_frame(stream, headers) if self._table >= 0 else self.headers(stream, headers))
                + frame_head(Frame.DATA, 0, stream, length)
                + bytes(data)
                + headers_frame(stream, trailers, END_STREAM)
                + self._finish(stream)
            )
            if on_queued is not None:
                on_queued()
            return
        self.write(self.headers(stream, headers))
        outgoing.data, outgoing.trailers, outgoing.on_queued = memoryview(data), trailers, on_queued
        self._pump(stream)

    def send(self, stream: int, data: bytes, on_queued: Callable[[], None]) -> None:
        """Send a piece of data on a stream that goes on; the next may come when `on_queued` has been called."""
        outgoing = self.streams.get(stream)
        if outgoing is None:
            return
        assert not outgoing.data, "the piece before has not gone"
        outgoing.data, outgoing.on_queued = memoryview(data), on_queued
        self._pump(stream)

    def end(self, stream: int, trailers: bytes) -> None:
        """End a stream with trailers, behind the data that is still to be sent; they may be all that is said on it."""
        outgoing = self.streams.get(stream)
        if outgoing is not None:
            outgoing.trailers = trailers
            self._pump(stream)

    def _finish(self, stream: int) -> bytes:
        del self.streams[stream]
        if self._held:
            self._held.pop(stream, None)
        return self._on_finished(stream)

    def _pump(self, stream: int) -> None:
        """Send of a stream's data what the windows allow, and the trailers after the last of it."""
        outgoing = self.streams[stream]
        if not outgoing.data and outgoing.trailers is None:
            return
        parts: list[bytes | memoryview] = []
        while outgoing.data:
            size = min(len(outgoing.data), outgoing.window, self._window, self._max_frame)
            if size <= 0:
                break
            outgoing.window -= size
            self._window -= size
            parts += (frame_head(Frame.DATA, 0, stream, size), outgoing.data[:size])
            outgoing.data = outgoing.data[size:]
        on_queued = None
        if outgoing.data:
            if outgoing.window > 0:
                self._held[stream] = None
        else:
            on_queued, outgoing.on_queued = outgoing.on_queued, None
            if outgoing.trailers is not None:
                parts.append(self.headers(stream, outgoing.trailers, END_STREAM) + self._finish(stream))
        if parts:
            self.write(*parts)
        if on_queued is not None:
            on_queued()

    # What the client allows

    def apply_settings(self, payload: memoryview) -> None:
        """Do as a SETTINGS frame says, and acknowledge it; ProtocolError for values that no client may have."""
        before = self._initial_window
        for key, value in struct.iter_unpack(">HI", payload):
            check = _SETTING_CHECKS.get(key)
            if check is not None:
                check(value)
            if key == Setting.INITIAL_WINDOW_SIZE:
                self._initial_window = value
            elif key == Setting.MAX_FRAME_SIZE:
                self._max_frame = value
            elif key == Setting.HEADER_TABLE_SIZE and value < self._table:
                self._table = -1
            elif key == Setting.MAX_HEADER_LIST_SIZE:
                self.max_header_list = value
        self.write(frame_head(Frame.SETTINGS, ACK, 0, 0))
        if self._initial_window != before:  # once, however often the frame says it
            self._change_windows(self._initial_window - before)

    def _change_windows(self, change: int) -> None:
        for outgoing in self.streams.values():
            outgoing.window += change
            if outgoing.window > MAX_WINDOW:
                raise ProtocolError(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window overflowed")
        if change > 0:
            for number in list(self.streams):
                if number in self.streams:
                    self._pump(number)

    def widen(self, increment: int) -> None:
        """Take note that the client takes more data on the connection; ProtocolError when that can't be."""
        self._window += increment
        if self._window > MAX_WINDOW:
            raise ProtocolError(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window overflowed")
        self._pump_held()

    def widen_stream(self, stream: int, increment: int) -> bool:
        """Take note that the client takes more data on a stream; tell whether that can be."""
        outgoing = self.streams[stream]
        outgoing.window += increment
        if outgoing.window > MAX_WINDOW:
            return False
        self._pump(stream)
        return True

    def _pump_held(self) -> None:
        """Go on with what waits for the connection's window: a client may open it in steps of a byte."""
        while self._held and self._window > 0:
            stream = next(iter(self._held))
            self._pump(stream)
            if self._window > 0:  # it has ended, or waits for its own window
                self._held.pop(stream, None)


def _check_window(value: int) -> None:
    if value > MAX_WINDOW:
        raise ProtocolError(ErrorCode.FLOW_CONTROL_ERROR, "a window larger than 2^31-1")


def _check_max_frame(value: int) -> None:
    if not DEFAULT_MAX_FRAME <= value < 1 << 24:
        raise ProtocolError(ErrorCode.PROTOCOL_ERROR, f"a largest frame of {value} bytes")


def _check_push(value: int) -> None:
    if value > 1:
        raise ProtocolError(ErrorCode.PROTOCOL_ERROR, f"ENABLE_PUSH of {value}, expected 0 or 1")


#: settings that have values which no client may choose
_SETTING_CHECKS: dict[int, Callable[[int], None]] = {
    Setting.INITIAL_WINDOW_SIZE: _check_window,
    Setting.MAX_FRAME_SIZE: _check_max_frame,
    Setting.ENABLE_PUSH: _check_push,
}
