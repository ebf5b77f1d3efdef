"""gRPC over HTTP/2: headers, deadlines, messages and trailers of a unary call.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. Responses need no header compression beyond the
static table, so that theirs are constants.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import NamedTuple

from edge_agent.serving.http2.header_blocks import MAX_HEADER_LIST, Headers, block_of, list_bytes
from edge_agent.serving.rpc.contract import MAX_MESSAGE_BYTES
from edge_agent.serving.rpc.status import Code

#: compression flag and length before each message
PREFIX_BYTES = 5

_TIMEOUT_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_PARTIAL_CODE = re.compile("%[0-9A-F]?$")
#: HTTP's own statuses, for what is not gRPC at all
_OK, _NO_SUCH_METHOD, _NO_SUCH_TYPE, _TOO_LARGE = 200, 405, 415, 431
_CONTENT_TYPES = re.compile(rb"application/grpc(\+proto)?\s*(;.*)?", re.IGNORECASE | re.DOTALL)
_MAX_DETAILS = 1000  # the details travel in a header, whose size peers limit (8 KiB by default in gRPC)
#: windowBits of zlib for the two encodings that gRPC's libraries have
_ENCODINGS = {b"identity": 0, b"gzip": 31, b"deflate": 15}


class RefusedCall(Exception):
    """A call that is answered with a status and no message; not even with HTTP's 200 when it is none of gRPC's."""

    def __init__(self, code: Code, details: str, reason: str = "", *, http_status: int = 200) -> None:
        """`reason` is one of few words by which refusals are counted; the code's name unless another is given."""
        super().__init__(details)
        self.code, self.details, self.reason = code, details, reason or code.name.lower()
        self.http_status = http_status


class Notes(NamedTuple):
    """What a client may say beside its request, as metadata: for the records, and of no effect on the verdict."""

    part: str = ""
    station: str = ""
    #: the picture is to be kept
    keep: bool = False


NO_NOTES = Notes()


class CallHeaders(NamedTuple):
    """What a call's headers say."""

    path: bytes
    #: seconds that the caller waits for the answer; None: for ever
    timeout: float | None
    #: zlib's windowBits for compressed messages; 0: they can't be compressed
    window_bits: int
    notes: Notes = NO_NOTES
    #: W3C Trace Context
    traceparent: bytes = b""


NO_HEADERS = CallHeaders(b"", None, 0)


def read_headers(headers: Headers) -> CallHeaders:
    """Read a call's headers.

    Raises:
        RefusedCall: this is not a gRPC call, or its messages are in an encoding that we have not.
    """
    values = dict(headers)
    if values.get(b":method") != b"POST":
        method = values.get(b":method", b"")[:20].decode(errors="replace")
        raise RefusedCall(
            Code.UNIMPLEMENTED, f"method {method} is not gRPC's, expected POST", http_status=_NO_SUCH_METHOD
        )
    content_type = values.get(b"content-type", b"")
    if not _CONTENT_TYPES.fullmatch(content_type):
        shown = content_type[:60].decode(errors="replace")
        raise RefusedCall(
            Code.UNIMPLEMENTED,
            f"content-type '{shown}' is not application/grpc or application/grpc+proto",
            http_status=_NO_SUCH_TYPE,
        )
    encoding = values.get(b"grpc-encoding", b"identity")
    if encoding not in _ENCODINGS:
        raise RefusedCall(Code.UNIMPLEMENTED, f"message encoding {encoding!r} is not one of identity, gzip, deflate")
    timeout = values.get(b"grpc-timeout")
    return CallHeaders(
        values.get(b":path", b""),
        None if timeout is None else _read_timeout(timeout),
        _ENCODINGS[encoding],
        _read_notes(values),
        values.get(b"traceparent", b""),
    )


def _read_notes(values: dict[bytes, bytes]) -> Notes:
    part, station, keep = values.get(b"part-id"), values.get(b"station"), values.get(b"keep")
    if part is None and station is None and keep is None:
        return NO_NOTES
    return Notes(_text(part), _text(station), keep == b"1")


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace").strip()


def _read_timeout(text: bytes) -> float:
    digits, unit = text[:-1], text[-1:]
    if not digits.isdigit() or len(digits) > 8 or unit not in _TIMEOUT_UNITS:
        raise RefusedCall(
            Code.INVALID_ARGUMENT, f"grpc-timeout {text[:20]!r} is not a number and one of H, M, S, m, u, n"
        )
    return int(digits) * _TIMEOUT_UNITS[unit]


def read_prefix(prefix: bytes, headers: CallHeaders) -> tuple[int, bool]:
    """Return a message's length, and whether it is compressed.

    Raises:
        RefusedCall: it is larger than we take, or compressed without an encoding.
    """
    length = int.from_bytes(prefix[1:], "big")
    if length > MAX_MESSAGE_BYTES:
        raise RefusedCall(
            Code.RESOURCE_EXHAUSTED, f"the message has {length} bytes, expected {MAX_MESSAGE_BYTES} at most"
        )
    if prefix[0] > 1 or (prefix[0] and not headers.window_bits):
        raise RefusedCall(Code.INTERNAL, "the message is marked as compressed, but no grpc-encoding says how")
    return length, bool(prefix[0])


_CONTENT_TYPE = (b"content-type", b"application/grpc")
_INITIAL = [(b":status", b"200"), _CONTENT_TYPE, (b"grpc-accept-encoding", b"identity,deflate,gzip")]
RESPONSE_HEADERS = block_of(_INITIAL)
OK_TRAILERS = block_of([(b"grpc-status", b"0")])


def refusal_headers(refused: RefusedCall, most: int) -> bytes:
    """Compress the headers of an answer that is only a status; they count for `most` bytes at the most."""
    if refused.http_status == _OK:
        return block_of([*_INITIAL, *status_headers(refused.code, refused.details, most - list_bytes(_INITIAL))])
    text = refused.details.encode("ascii", errors="replace")[:_MAX_DETAILS]
    headers = [(b":status", b"%d" % refused.http_status), _CONTENT_TYPE]
    return block_of([*headers, *status_headers(refused.code, text.decode(), most - list_bytes(headers))])


def trailers_of(refused: RefusedCall, most: int) -> bytes:
    """Compress the trailers of a call that has begun to be answered, and ends with a status."""
    return block_of(status_headers(refused.code, refused.details, most))


def overlong(size: int) -> RefusedCall:
    """Return how a call with more headers than we take is refused."""
    details = f"the call's headers have {size} bytes, expected {MAX_HEADER_LIST} at most"
    return RefusedCall(Code.RESOURCE_EXHAUSTED, details, http_status=_TOO_LARGE)


def status_headers(code: Code, details: str, most: int) -> Headers:
    """Return the headers that say how a call has ended, with as much of the details as goes into `most` bytes."""
    status = [(b"grpc-status", b"%d" % code)]
    # Percent-encoding as the specification wants it: all but printable ASCII, and the percent sign itself.
    message = urllib.parse.quote(details[:_MAX_DETAILS], safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~", errors="replace")
    room = most - list_bytes([*status, (b"grpc-message", b"")])
    if not details or room <= 0:
        return status
    return [
        *status,
        (b"grpc-message", _PARTIAL_CODE.sub("", message[:room]).encode() if room < len(message) else message.encode()),
    ]
