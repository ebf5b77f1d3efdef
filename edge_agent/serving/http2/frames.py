"""HTTP/2 frames, RFC 9113 section 4 and 6: the numbers, and the bytes of those that a server sends."""

from __future__ import annotations

import enum
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_BYTES = 9

#: initial flow-control window and largest frame, until the peer says otherwise (RFC 9113, 6.5.2)
DEFAULT_WINDOW = 65_535
DEFAULT_MAX_FRAME = 16_384
MAX_WINDOW = 2**31 - 1


class Frame(enum.IntEnum):
    """Frame types."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Setting(enum.IntEnum):
    """Settings that matter here; others are ignored, as the RFC wants it."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(enum.IntEnum):
    """Error codes of RST_STREAM and GOAWAY."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


# Flags
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY = 0x20

_HEAD = struct.Struct(">HBBBI")


#: characters of a reason: what the peer sent may be quoted in it
_MAX_REASON = 200


class ProtocolError(Exception):
    """The peer broke the protocol in a way that ends the connection."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason[:_MAX_REASON])
        self.code = code


def frame_head(kind: int, flags: int, stream: int, length: int) -> bytes:
    """Encode the nine bytes before a frame's payload."""
    return _HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream)


def read_head(buffer: memoryview | bytearray | bytes, at: int) -> tuple[int, int, int, int]:
    """Return (length, type, flags, stream) of the frame at a position; the reserved bit is ignored."""
    high, low, kind, flags, stream = _HEAD.unpack_from(buffer, at)
    return high << 8 | low, kind, flags, stream & MAX_WINDOW


def settings_frame(values: dict[Setting, int]) -> bytes:
    """Encode SETTINGS."""
    payload = b"".join(struct.pack(">HI", key, value) for key, value in values.items())
    return frame_head(Frame.SETTINGS, 0, 0, len(payload)) + payload


def headers_frame(stream: int, block: bytes, flags: int = 0) -> bytes:
    """Encode HEADERS with a whole header block; END_STREAM among the flags makes it the stream's last frame."""
    return frame_head(Frame.HEADERS, END_HEADERS | flags, stream, len(block)) + block


def word_frame(kind: Frame, stream: int, word: int) -> bytes:
    """Encode RST_STREAM (an error code) or WINDOW_UPDATE (an increment)."""
    return frame_head(kind, 0, stream, 4) + word.to_bytes(4, "big")


def goaway_frame(last_stream: int, code: ErrorCode, reason: str = "") -> bytes:
    """Encode GOAWAY."""
    payload = struct.pack(">II", last_stream, code) + reason.encode()
    return frame_head(Frame.GOAWAY, 0, 0, len(payload)) + payload
