"""The lines of the trail: JSON, each with a SHA-256 over itself and the one before.

A line is an object whose last member is `hash`: the SHA-256, in hexadecimal, of the hash of the line before (64
characters, zeros before the first) and the line without that member. Its first member is `entry`, counted from 1.
Whoever can write to the file could make the whole chain anew: what it shows is that single lines were removed, edited
or swapped.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

import msgspec

FIRST = "0" * 64

_HASH = re.compile(rb',"hash":"([0-9a-f]{64})"\}$')
_encode = msgspec.json.Encoder().encode


class Link(NamedTuple):
    """The place of a line in the chain."""

    entry: int
    hash: str


#: before the first line
NOTHING = Link(0, FIRST)


def write_line(before: Link, content: dict[str, Any]) -> tuple[bytes, Link]:
    """Return the line that follows another, without its end, and its place."""
    body = _encode({"entry": before.entry + 1} | content)
    link = Link(before.entry + 1, _digest(before.hash, body))
    return body[:-1] + b',"hash":"' + link.hash.encode() + b'"}', link


def read_line(line: bytes) -> tuple[dict[str, Any], Link]:
    """Read a line by itself, whatever stands before it.

    Raises:
        ValueError: it is not a line of a trail.
    """
    try:
        content: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
        return content, Link(int(content["entry"]), str(content["hash"]))
    except (KeyError, TypeError, ValueError, msgspec.DecodeError) as error:
        raise ValueError(f"it is not an entry: {error}") from None


def follows(line: bytes, before: str) -> bool:
    """Tell whether a line is the one that was written after the line with the hash `before`."""
    found = _HASH.search(line)
    return found is not None and found[1].decode() == _digest(before, line[: found.start()] + b"}")


def _digest(before: str, body: bytes) -> str:
    return hashlib.sha256(before.encode() + body).hexdigest()
