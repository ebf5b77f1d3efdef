"""Header blocks: what a client's hold, checked as RFC 9113 wants it, and how ours are made.

Compression (HPACK, RFC 7541) is the library hpack's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import hpack

from edge_agent.serving.http2.frames import ErrorCode, ProtocolError

#: bytes of a call's headers, counted as RFC 9113, 6.5.2 counts them: a call with more is refused
MAX_HEADER_LIST = 1 << 16
#: bytes of a block as it travels; a client that sends more is disconnected
MAX_BLOCK = 1 << 18
#: bytes of a block that are decoded in one go: for each literal in it hpack copies what is left of them
_PIECE = 1 << 12
_ENTRY_BYTES = 32  # that a field counts for beside its name and value
#: says that the table which both sides keep has no room: ours puts nothing into it anyway (RFC 7541, 4.2 and 6.3)
NO_TABLE = b"\x20"

Headers = list[tuple[bytes, bytes]]

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")  # RFC 9110, 5.6.2, in lower case: RFC 9113, 8.2.1
#: with white space around it, which RFC 9113 forbids: gRPC's clients send metadata as they are given it (the code of a
#: part from a reader, say), and gRPC's servers take it. Its protocol has such white space stripped ("ASCII-Value").
_VALUE = re.compile(rb"[^\0\r\n]*")
_NEEDED = (b":method", b":scheme", b":path")
_PSEUDO = {*_NEEDED, b":authority"}
_MOST_DIGITS = 18  # of a content-length
#: that speak of one connection, as HTTP/1 has them: RFC 9113, 8.2.2
_OF_A_CONNECTION = {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"}


class Request(NamedTuple):
    """What the block says with which a client opens a stream."""

    headers: Headers
    #: bytes of data that it announces; None when it says nothing of them
    content_length: int | None = None
    #: what is wrong with them, if anything; the stream can't be served then
    problem: str = ""
    #: bytes that the headers count for when those are more than we take, and were not kept; else 0
    overlong: int = 0


class BlockReader:
    """Decodes the header blocks of one connection, all of them and in their order: they share a table."""

    def __init__(self) -> None:
        # The size of a list is judged here: a block must be decoded to its end, whatever is in it.
        self._decoder = hpack.Decoder(max_header_list_size=1 << 62)
        self._last_block: bytes | None = None
        self._last = Request([])

    def request(self, block: bytes) -> Request:
        """Decode the headers of a request.

        The calls of a client differ in nothing, or only in the deadline: a block of nothing but references to the
        table (each a byte from 0x80 up, RFC 7541, 6.1) means the same again as long as no other block, which might have
        changed the table, came between. The same object is then returned again.

        Raises:
            ProtocolError: the block can't be decoded, nor any other after it.
        """
        if block == self._last_block:
            return self._last
        headers, size = self._decode(block)
        if size > MAX_HEADER_LIST:
            request = Request([], overlong=size)
        else:
            problem, content_length = _check_request(headers)
            request = Request(headers, content_length, problem)
        only_references = bool(block) and min(block) >= 0x80
        self._last_block, self._last = (block, request) if only_references else (None, request)
        return request

    def trailers(self, block: bytes) -> str:
        """Decode headers that end a request, and return what is wrong with them, if anything.

        Raises:
            ProtocolError: as in `request`.
        """
        self._last_block = None
        headers, size = self._decode(block)
        if size > MAX_HEADER_LIST:
            return f"trailers of {size} bytes"
        for name, value in headers:
            if name.startswith(b":"):
                return f"pseudo-header {_shown(name)} in trailers"
            problem = _check_field(name, value)
            if problem:
                return problem
        return ""

    def _decode(self, block: bytes) -> tuple[Headers, int]:
        """Return a block's headers, as many as we take, and the bytes that all of them count for."""
        headers: Headers = []
        size = 0
        try:
            for piece in (block,) if len(block) <= _PIECE else _pieces(block):
                for name, value in self._decoder.decode(piece, raw=True):
                    size += len(name) + len(value) + _ENTRY_BYTES
                    if size <= MAX_HEADER_LIST:
                        headers.append((bytes(name), bytes(value)))
        except hpack.HPACKError as error:
            raise ProtocolError(ErrorCode.COMPRESSION_ERROR, f"headers can't be decoded: {error}") from None
        return headers, size


def _pieces(block: bytes) -> Iterator[bytes]:
    """Divide a large block between its fields."""
    begin = position = 0
    while position < len(block):
        position = _after_field(block, position)
        if position - begin >= _PIECE or position >= len(block):
            yield block[begin:position]
            begin = position


def _after_field(block: bytes, position: int) -> int:
    """Return where the next field begins (RFC 7541, 6); past the end of a block that is cut off."""
    first = block[position]
    if first & 0x80:  # a reference to the table
        return _integer(block, position, 7)[1]
    if first & 0xE0 == 0x20:  # the table's size
        return _integer(block, position, 5)[1]
    index, position = _integer(block, position, 6 if first & 0x40 else 4)
    for _ in range(1 if index else 2):  # the value, or name and value
        length, position = _integer(block, position, 7)
        position += length
    return position


def _integer(block: bytes, position: int, bits: int) -> tuple[int, int]:
    """Return an integer (RFC 7541, 5.1) and where it ends."""
    if position >= len(block):
        return 0, position + 1
    largest = (1 << bits) - 1
    value = block[position] & largest
    position += 1
    if value < largest:
        return value, position
    for shift in range(0, 35, 7):
        if position >= len(block):
            break
        value += (block[position] & 0x7F) << shift
        position += 1
        if not block[position - 1] & 0x80:
            break
    return value, position


def _check_request(headers: Headers) -> tuple[str, int | None]:
    """Return what is wrong with a request's headers (RFC 9113, 8.2 and 8.3), and its content-length."""
    count = next((at for at, (name, _) in enumerate(headers) if not name.startswith(b":")), len(headers))
    problem = _check_pseudo(headers[:count])
    content_length: int | None = None
    for name, value in headers[count:]:
        if name.startswith(b":"):
            problem = problem or f"pseudo-header {_shown(name)} after other headers"
        problem = problem or _check_field(name, value)
        if name == b"content-length":
            if not value.isdigit() or len(value) > _MOST_DIGITS or content_length not in (None, int(value)):
                return f"content-length {_shown(value)}", None
            content_length = int(value)
    return problem, content_length


def _check_pseudo(headers: Headers) -> str:
    given: dict[bytes, bytes] = {}
    for name, value in headers:
        if name not in _PSEUDO:
            return f"pseudo-header {_shown(name)}, which no request has"
        if name in given:
            return f"a second pseudo-header {_shown(name)}"
        given[name] = value
    if given.get(b":method") == b"CONNECT":
        return "method CONNECT: this is no proxy"
    missing = next((name for name in _NEEDED if not given.get(name)), b"")
    return f"no pseudo-header {_shown(missing)}" if missing else ""


def _check_field(name: bytes, value: bytes) -> str:
    if not _NAME.fullmatch(name):
        return f"a header named {_shown(name)}"
    if not _VALUE.fullmatch(value):
        return f"header {_shown(name)} with a value that no header can have"
    if name in _OF_A_CONNECTION or (name == b"te" and value != b"trailers"):
        return f"header {_shown(name)}: {_shown(value)}, which HTTP/2 has not"
    return ""


def _shown(text: bytes) -> str:
    return repr(text[:60].decode("ascii", errors="backslashreplace"))


def block_of(headers: Headers) -> bytes:
    """Compress headers without touching the table that both sides keep, so that the block fits every connection."""
    never_indexed = [hpack.NeverIndexedHeaderTuple(name, value) for name, value in headers]
    return hpack.Encoder().encode(never_indexed, huffman=False)


def list_bytes(headers: Headers) -> int:
    """Return the bytes that headers count for against a peer's MAX_HEADER_LIST_SIZE."""
    return sum(len(name) + len(value) + _ENTRY_BYTES for name, value in headers)
