"""JSON files as Python and Windows write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import ImportFailed


def read_json(path: Path) -> Any:
    """Read a JSON file, with or without the byte order mark that editors on Windows put in front.

    Raises:
        ImportFailed: it can't be read, or is not valid JSON.
    """
    try:
        data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise ImportFailed(f"{path} can't be read: {describe_refusal(error, path)}") from None
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        word = _word_of_python(data)
        if word:
            raise ImportFailed(f"{path} has the value {word}, which JSON does not know; expected a number") from None
        raise ImportFailed(f"{path} is not valid JSON: {error}") from None


def _word_of_python(data: bytes) -> str | None:
    """Find NaN or Infinity, which Python's json writes and no other reader takes."""
    words: list[str] = []
    try:
        json.loads(data, parse_constant=words.append)
    except (ValueError, RecursionError):
        return None
    return words[0] if words else None
