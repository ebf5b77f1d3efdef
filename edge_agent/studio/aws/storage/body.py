"""The content of a request is received into a file, and held against what its headers say of it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from starlette.datastructures import Headers
from starlette.requests import Request

from edge_agent.errors import ServiceRefused

#: bytes of one object or one part, as S3 has it
MOST_BYTES = 5 << 30
_LONGEST_LINE = 4096
_UNSIGNED = "UNSIGNED-PAYLOAD"
_CHECKSUM = "x-amz-checksum-"
#: what is said of a checksum beside its value
_NO_SUMS = {"algorithm", "type", "mode"}


class ChunkSignatures(Protocol):
    """Checks the signatures of chunks, each of which signs the one before (STREAMING-AWS4-HMAC-SHA256-PAYLOAD)."""

    def check(self, signature: str, sha256: str) -> None:
        """Raise ServiceRefused unless it is the signature of the next chunk, whose SHA-256 is given in hex."""


class _Sum(Protocol):
    def update(self, data: bytes, /) -> Any: ...

    def digest(self) -> bytes: ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


#: checksums that the standard library calculates at the speed of a disk; others are left to the payload's signature
_SUMS: dict[str, Callable[[], _Sum]] = {
    "crc32": _Crc32,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}


class Received(NamedTuple):
    """What has been received: bytes, MD5 in hex, and the checksums (header, value) that were held against it."""

    size: int
    digest: str
    checksums: tuple[tuple[str, str], ...]


async def receive(request: Request, path: Path, signatures: ChunkSignatures | None) -> Received:
    """Receive the content of a request into a file.

    Raises:
        ServiceRefused: it is too large, cut off, or not what its headers say.
    """
    headers = request.headers
    told = headers.get("x-amz-content-sha256", _UNSIGNED)
    chunked = told.startswith("STREAMING-")
    trailers: dict[str, str] = {}
    chunks = _decoded(request, signatures, trailers) if chunked else request.stream()
    wanted = _wanted_size(headers, chunked=chunked)
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    sums = {name: make() for name, make in _SUMS.items() if _is_wanted(name, headers)}
    size = 0
    with path.open("wb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > MOST_BYTES:
                raise ServiceRefused("EntityTooLarge", f"the content has more than {MOST_BYTES} bytes")
            file.write(chunk)
            for each in (md5, sha256, *sums.values()):
                each.update(chunk)
    if wanted is not None and size != wanted:
        raise ServiceRefused("IncompleteBody", f"the content has {size} bytes, its headers say {wanted}")
    if not chunked and told != _UNSIGNED and not hmac.compare_digest(told, sha256.hexdigest()):
        raise ServiceRefused(
            "XAmzContentSHA256Mismatch", f"the content's SHA-256 is {sha256.hexdigest()}, not {told[:64]}"
        )
    if (given := headers.get("content-md5")) and given != _base64(md5.digest()):
        raise ServiceRefused("BadDigest", f"the content's MD5 is {_base64(md5.digest())}, not {given[:64]}")
    checked = _check_sums(headers, trailers, sums, is_signed=told != _UNSIGNED and "UNSIGNED" not in told)
    return Received(size, md5.hexdigest(), checked)


def check_signed_content(headers: Headers, sha256: str) -> None:
    """Raise ServiceRefused where a request's headers have signed another content than that of this SHA-256 (hex)."""
    told = headers.get("x-amz-content-sha256", _UNSIGNED)
    if told != _UNSIGNED and not hmac.compare_digest(told.encode(), sha256.encode()):
        raise ServiceRefused("XAmzContentSHA256Mismatch", f"the content's SHA-256 is {sha256}, not {told[:64]}")


def _wanted_size(headers: Headers, *, chunked: bool) -> int | None:
    name = "x-amz-decoded-content-length" if chunked else "content-length"
    text = headers.get(name)
    if text is None:
        if "chunked" in headers.get("transfer-encoding", ""):
            return None
        raise ServiceRefused("MissingContentLength", f"the header {name} is missing")
    if not text.isdecimal():
        raise ServiceRefused("InvalidArgument", f"{name} is {text[:40]!r}, expected a number of bytes")
    return int(text)


def _is_wanted(name: str, headers: Headers) -> bool:
    header = _CHECKSUM + name
    trailing = headers.get("x-amz-trailer", "").lower().replace(" ", "").split(",")
    return header in headers or header in trailing


def _check_sums(
    headers: Headers, trailers: dict[str, str], sums: dict[str, _Sum], *, is_signed: bool
) -> tuple[tuple[str, str], ...]:
    given = {name: value for name, value in headers.items() if name.startswith(_CHECKSUM)} | trailers
    checked = []
    for header, value in given.items():
        name = header.removeprefix(_CHECKSUM)
        if name in _NO_SUMS:
            continue
        if name not in sums:
            if not is_signed:
                raise ServiceRefused(
                    "NotImplemented",
                    f"{header} can't be checked here, expected one of {', '.join(_SUMS)}, or a signed payload",
                )
            continue
        right = _base64(sums[name].digest())
        if value != right:
            raise ServiceRefused("BadDigest", f"the content's {name.upper()} is {right}, {header} says {value[:64]!r}")
        checked.append((header, right))
    return tuple(checked)


async def _decoded(
    request: Request, signatures: ChunkSignatures | None, trailers: dict[str, str]
) -> AsyncIterator[bytes]:
    """Take off the frames of `aws-chunked`: SIZE[;chunk-signature=HEX] CRLF, the bytes, CRLF; then the trailers."""
    reader = _Lines(request.stream())
    while True:
        line = await reader.line()
        size, _, signature = line.partition(";chunk-signature=")
        try:
            left = int(size, 16)
        except ValueError:
            raise ServiceRefused("IncompleteBody", f"{line[:40]!r} is not the size of a chunk") from None
        digest = hashlib.sha256()
        ends = left == 0
        while left:
            piece = await reader.some(left)
            left -= len(piece)
            digest.update(piece)
            yield piece
        if signatures is not None:
            signatures.check(signature, digest.hexdigest())
        if ends:
            break
        await reader.line()
    while line := await reader.line(at_end=True):
        name, _, value = line.partition(":")
        if name.strip().lower().startswith(_CHECKSUM):
            trailers[name.strip().lower()] = value.strip()


class _Lines:
    """Lines and pieces of a stream."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._held = b""

    async def line(self, *, at_end: bool = False) -> str:
        while b"\r\n" not in self._held:
            if len(self._held) > _LONGEST_LINE:
                raise ServiceRefused("IncompleteBody", "a chunk's header has no end")
            more = await self._more()
            if not more:
                if at_end and not self._held:
                    return ""
                raise ServiceRefused("IncompleteBody", "the content ends within a chunk")
            self._held += more
        line, _, self._held = self._held.partition(b"\r\n")
        return line.decode("latin-1")

    async def some(self, most: int) -> bytes:
        if not self._held:
            self._held = await self._more()
            if not self._held:
                raise ServiceRefused("IncompleteBody", "the content ends within a chunk")
        piece, self._held = self._held[:most], self._held[most:]
        return piece

    async def _more(self) -> bytes:
        async for chunk in self._stream:
            if chunk:
                return chunk
        return b""


def md5_of(text: str) -> str:
    """Give the hex form of an ETag or of a base64 MD5."""
    text = text.strip().strip('"')
    try:
        return text if len(text) != 24 else base64.b64decode(text, validate=True).hex()
    except binascii.Error:
        return text


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
