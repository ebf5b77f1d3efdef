"""What an address in a manifest or table says: the bucket and key, or the path, whatever form it has."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

_S3 = re.compile(r"s3[an]?://", re.IGNORECASE)
_HTTP = re.compile(r"https?://", re.IGNORECASE)
_FILE = re.compile(r"file://(localhost(?=/))?", re.IGNORECASE)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
# https://BUCKET.s3.REGION.amazonaws.com/KEY and https://s3.REGION.amazonaws.com/BUCKET/KEY, old and new
_VIRTUAL_HOST = re.compile(r"(?P<bucket>.+)\.s3[.-](?:[a-z0-9-]+\.)*amazonaws\.com(?:\.cn)?", re.IGNORECASE)
_PATH_HOST = re.compile(r"s3[.-](?:[a-z0-9-]+\.)*amazonaws\.com(?:\.cn)?", re.IGNORECASE)


class Address(NamedTuple):
    """`object`: in a store, parts are the bucket and the key's. `absolute`: a path, perhaps of another machine."""

    kind: Literal["object", "absolute", "relative"]
    parts: tuple[str, ...]


def parse_address(reference: str) -> Address:
    """Read s3://, s3a://, s3n://, https://, file:// and paths of Linux and of Windows."""
    met = _S3.match(reference)
    if met:
        return Address("object", _parts(reference[met.end() :]))
    if _HTTP.match(reference):
        return Address("object", _of_url(reference))
    met = _FILE.match(reference)
    path = reference[met.end() :] if met else reference
    if re.match(r"/[A-Za-z]:[\\/]", path):  # file:///C:/…
        path = path[1:]
    if _WINDOWS.match(path):
        return Address("absolute", _parts(re.sub(r"^[A-Za-z]:", "", path).replace("\\", "/")))
    if path.startswith("/"):
        return Address("absolute", _parts(path))
    if "\\" in path and "/" not in path:
        path = path.replace("\\", "/")
    return Address("relative", _parts(path))


def plain_path(reference: str) -> str:
    """Give a reference as a path, as it stands."""
    met = _FILE.match(reference)
    return reference[met.end() :] if met else reference


def is_address(reference: str) -> bool:
    """Tell whether it is the address of an object in a store, not a path."""
    return _S3.match(reference) is not None or _HTTP.match(reference) is not None


def _of_url(reference: str) -> tuple[str, ...]:
    try:
        split = urlsplit(reference)
        host = split.hostname or ""
    except ValueError:  # such as https://[
        return ()
    path = unquote(split.path)
    bucket = _VIRTUAL_HOST.fullmatch(host)
    if bucket:
        return (bucket["bucket"], *_parts(path))
    return _parts(path) if _PATH_HOST.fullmatch(host) else (host, *_parts(path))


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part not in ("", "."))
