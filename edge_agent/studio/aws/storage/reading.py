"""GetObject and HeadObject."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.storage.asked import Asked
from edge_agent.studio.aws.storage.objects import Found, Objects

_PIECE = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
#: headers of an answer that a request may set
_CHOSEN = {
    "response-content-type": "content-type",
    "response-content-disposition": "content-disposition",
    "response-content-encoding": "content-encoding",
    "response-content-language": "content-language",
    "response-cache-control": "cache-control",
    "response-expires": "expires",
}


def give(asked: Asked) -> Response:
    """Answer GetObject and HeadObject: an object, or the range of it that is asked for.

    Raises:
        ServiceRefused: there is none, the range is not in it, or a condition does not hold.
    """
    objects, headers = asked.objects, asked.headers
    found = objects.find(asked.key)
    digest = objects.digest(found)
    about = headers_of(objects, found, digest)
    if (unchanged := condition(headers, digest, found.modified)) is not None:
        return Response(status_code=unchanged, headers=about)
    about.update({name: asked.query[chosen] for chosen, name in _CHOSEN.items() if chosen in asked.query})
    first, last = _range(headers, found.size)
    status = 200
    if (first, last) != (0, found.size - 1):
        status = 206
        about["content-range"] = f"bytes {first}-{last}/{found.size}"
    about["content-length"] = str(last - first + 1)
    if not asked.has_body:
        return Response(status_code=status, headers=about)
    return StreamingResponse(_pieces(found.path, first, last - first + 1), status, about)


def headers_of(objects: Objects, found: Found, digest: str) -> dict[str, str]:
    """Give the headers that say what an object is."""
    described = objects.describe(found)
    return {
        "etag": f'"{digest}"',
        "last-modified": formatdate(found.modified, usegmt=True),
        "accept-ranges": "bytes",
        "content-type": described.media_type,
        **described.headers,
        **{f"x-amz-meta-{name}": value for name, value in described.metadata.items()},
    }


def condition(headers: Headers, digest: str, modified: float, prefix: str = "") -> int | None:
    """Hold the conditions of a request against an object: 304, or None where it is to go on (RFC 9110, 13.2.2).

    Raises:
        ServiceRefused: PreconditionFailed.
    """
    match, none_match = headers.get(f"{prefix}if-match"), headers.get(f"{prefix}if-none-match")
    if match is not None:
        if not _names(match, digest):
            raise ServiceRefused("PreconditionFailed", f"if-match is {match[:80]}, the object's ETag is {digest}")
    elif (before := _time(headers.get(f"{prefix}if-unmodified-since"))) is not None and int(modified) > before:
        raise ServiceRefused("PreconditionFailed", "the object has been written since the time in if-unmodified-since")
    if none_match is not None:
        if _names(none_match, digest):
            return 304
    elif (since := _time(headers.get(f"{prefix}if-modified-since"))) is not None and int(modified) <= since:
        return 304
    return None


def _names(header: str, digest: str) -> bool:
    return any(each.strip().removeprefix("W/").strip('"') in ("*", digest) for each in header.split(","))


def _time(header: str | None) -> float | None:
    try:
        return parsedate_to_datetime(header).timestamp() if header else None
    except (ValueError, OverflowError):
        return None


def _range(headers: Headers, size: int) -> tuple[int, int]:
    """Give the first and the last byte that are asked for; a range that is none is ignored (RFC 9110, 14.2)."""
    asked = _RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    if asked is None or asked.group() == "bytes=-":
        return 0, size - 1
    start, end = asked.groups()
    if not start:
        first, last = max(0, size - int(end)), size - 1
        fits = int(end) > 0 and size > 0
    else:
        first, last = int(start), min(int(end), size - 1) if end else size - 1
        if end and int(end) < first:
            return 0, size - 1
        fits = first < size
    if not fits:
        raise ServiceRefused("InvalidRange", f"the object has {size} bytes, {headers['range'][:60]} is not in it")
    return first, last


def _pieces(path: Path, first: int, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(first)
        while size and (piece := file.read(min(size, _PIECE))):
            size -= len(piece)
            yield piece
