"""The objects of a manifest: JSON Lines, or JSON as people pretty-print it, or an array; each with its line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from edge_agent.building.datasets.reasons import Place, Reason

_DECODER = json.JSONDecoder()
_BETWEEN = " \t\r\n,"  # objects of an array, or lines that end in a comma


class Line(NamedTuple):
    """One object and the number of the line on which it begins; or why there is none."""

    number: int
    value: Mapping[str, Any] | None
    reason: Reason | None = None


def read_lines(text: str, path: Path) -> Iterator[Line]:
    """Give every object of a manifest's text. A line that is broken does not keep the others from being read."""
    whole = _array(text)
    if whole is not None:
        for number, value in whole:
            yield _object(number, value, path)
        return
    lines = text.split("\n")
    at = 0
    starts = _starts(lines)
    while at < len(lines):
        stripped = lines[at].strip()
        number = at + 1
        at += 1
        if not stripped:
            continue
        try:
            yield _object(number, json.loads(stripped), path)
            continue
        except (ValueError, RecursionError) as error:
            fault = error
        spread = _spread(text, starts[number - 1])
        if spread is not None:
            value, end = spread
            yield _object(number, value, path)
            at = text.count("\n", 0, end) + 1
            continue
        yield Line(number, None, _broken("not-json", path, number, error=_short(fault), hint=_hint(stripped)))
        if stripped == "{":  # what belongs to it are no objects of their own
            while at < len(lines) and lines[at][:1] in (" ", "\t", "}", "]", "\r"):
                at += 1


def _array(text: str) -> list[tuple[int, Any]] | None:
    if not text.lstrip().startswith("["):
        return None
    found: list[tuple[int, Any]] = []
    position = text.index("[") + 1
    number, counted = 1, 0
    try:
        while True:
            while position < len(text) and text[position] in _BETWEEN:
                position += 1
            if position >= len(text) or text[position] == "]":
                return found
            number, counted = number + text.count("\n", counted, position), position
            value, position = _DECODER.raw_decode(text, position)
            found.append((number, value))
    except (ValueError, RecursionError):
        return None


def _starts(lines: list[str]) -> list[int]:
    starts, position = [], 0
    for line in lines:
        starts.append(position)
        position += len(line) + 1
    return starts


def _spread(text: str, start: int) -> tuple[Any, int] | None:
    """Read an object that goes over several lines; give it and where it ends."""
    while start < len(text) and text[start] in " \t":
        start += 1
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    line_end = text.find("\n", end)
    rest = text[end : line_end if line_end >= 0 else len(text)]
    if "\n" not in text[start:end] or rest.strip(_BETWEEN):
        return None
    return value, end


def _object(number: int, value: Any, path: Path) -> Line:
    if not isinstance(value, dict):
        return Line(number, None, _broken("not-object", path, number))
    return Line(number, value)


def _broken(code: str, path: Path, number: int, **facts: str) -> Reason:
    return Reason(code, "broken", places=(Place(path, number),), facts=facts)


def _short(error: Exception) -> str:
    if not isinstance(error, ValueError):
        return "it is nested too deeply"
    at = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
    return str(error).split(": line 1 ")[0].removesuffix(" at") + at


def _hint(line: str) -> str:
    try:
        if line.endswith(",") and isinstance(json.loads(line[:-1]), dict):
            return "; there is a comma behind the object"
    except (ValueError, RecursionError):
        pass
    return "; it ends before the object does" if line.startswith("{") and not line.endswith("}") else ""
