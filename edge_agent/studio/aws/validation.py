"""From a request to an operation's values, as strict as the service: botocore checks no pattern and no maximum."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.table.scalars import SCALARS
from edge_agent.studio.aws.table.shape import Member, Operation, Shape, read_members
from edge_agent.studio.aws.table.structures import STRUCTURES

Values = dict[str, Any]
#: what \p{Z} of a pattern means, as Python's `re` writes it
_SEPARATORS = " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
#: the service's integers have 32 bits
_MOST_INTEGER = 1 << 31
_INTEGER = re.compile(r"-?[0-9]{1,10}")
#: half a character, which JSON can write and no text can have
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Problems:
    """What is wrong with a request: all of it, as the service says it."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, value: object, where: str, constraint: str) -> None:
        shown = f"Value '{str(value)[:200]}'" if not isinstance(value, dict | list) else "Value"
        self.found.append(f"{shown} at '{where}' failed to satisfy constraint: {constraint}")

    def refuse(self) -> None:
        if self.found:
            count = f"{len(self.found)} validation error{'s' * (len(self.found) > 1)} detected: "
            raise ServiceRefused("ValidationException", count + "; ".join(self.found))


def read_values(
    operation: Operation,
    path: Mapping[str, str],
    query: Sequence[tuple[str, str]],
    header: Callable[[str], str | None],
    body: bytes,
) -> Values:
    """Give an operation's values by their names; timestamps as seconds since 1970, blobs as bytes.

    Raises:
        ServiceRefused: SerializationException for a body of other types, ValidationException for other values.
    """
    document = _document(body) if any(member.place == "body" for member in operation.members) else {}
    values: Values = {}
    problems = _Problems()
    for member in operation.members:
        shape = SCALARS.get(member.shape)
        where = member.name[0].lower() + member.name[1:]
        if member.place == "payload":
            values[member.name] = body
            if not body:
                problems.add("", where, "Member must not be null")
            continue
        if member.place == "body":
            value = document.get(member.name)
        else:
            value = _from_text(member, shape, path, query, header, where, problems)
        if value is None:
            if member.required:
                problems.add("null", where, "Member must not be null")
            continue
        checked = _check(member.shape, value, where, problems)
        if checked is not None:
            values[member.name] = checked
    problems.refuse()
    return values


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise ServiceRefused("SerializationException", "the body is no JSON") from None
    if not isinstance(document, dict):
        raise ServiceRefused("SerializationException", "the body is no JSON object")
    return document


def _from_text(
    member: Member,
    shape: Shape | None,
    path: Mapping[str, str],
    query: Sequence[tuple[str, str]],
    header: Callable[[str], str | None],
    where: str,
    problems: _Problems,
) -> Any:
    """Read a value of the path, the query or a header as the type that it has in JSON."""
    assert shape is not None, member
    if member.place == "uri":
        return path[member.key]
    if member.place == "header":
        return header(member.key)
    found = [value for name, value in query if name == member.key]
    if not found:
        return None
    return found if shape.kind == "list" else _from_query(shape, found[-1], where, problems)


def _from_query(shape: Shape, text: str, where: str, problems: _Problems) -> Any:
    try:
        if shape.kind == "integer":
            return int(text if _INTEGER.fullmatch(text) else "no number")  # int() alone takes `1_0` and ` 1`
        if shape.kind == "boolean":
            return {"true": True, "false": False}[text]
        if shape.kind == "timestamp":
            return _seconds(text)
    except (ValueError, KeyError):
        problems.add(text, where, f"Member must be {_a(shape)}")
        return None
    return text


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(re.sub(r"Z$", "+00:00", text))
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _check(name: str, value: Any, where: str, problems: _Problems) -> Any:
    if name in STRUCTURES:
        return _check_structure(name, value, where, problems)
    shape = SCALARS[name]
    if shape.kind == "list":
        return _check_list(shape, value, where, problems)
    value = _typed(shape, value, where)
    _check_limits(shape, value, where, problems)
    return value


def _check_structure(name: str, value: Any, where: str, problems: _Problems) -> Values:
    if not isinstance(value, dict):
        raise ServiceRefused("SerializationException", f"'{where}' is no JSON object")
    checked: Values = {}
    for member in read_members(STRUCTURES[name]):
        inside = f"{where}.{member.name[0].lower()}{member.name[1:]}"
        given = value.get(member.name)
        if given is not None:
            checked[member.name] = _check(member.shape, given, inside, problems)
        elif member.required:
            problems.add("null", inside, "Member must not be null")
    return checked


def _check_list(shape: Shape, value: Any, where: str, problems: _Problems) -> list[Any]:
    if not isinstance(value, list):
        raise ServiceRefused("SerializationException", f"'{where}' is no JSON list")
    _check_length(shape, value, where, problems)
    checked = []
    for place, item in enumerate(value, start=1):
        inside = f"{where}.{place}.member"
        if item is None:
            problems.add("null", inside, "Member must not be null")
        else:
            checked.append(_check(shape.of, item, inside, problems))
    return checked


def _typed(shape: Shape, value: Any, where: str) -> Any:
    """Make a value of JSON the type of its shape."""
    wrong = ServiceRefused("SerializationException", f"'{where}' is {str(value)[:40]!r}, expected {_a(shape)}")
    if shape.kind == "string":
        if not isinstance(value, str) or _SURROGATE.search(value):
            raise wrong
    elif shape.kind == "blob":
        try:
            return value if isinstance(value, bytes) else base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise wrong from None
    elif shape.kind == "boolean":
        if not isinstance(value, bool):
            raise wrong
    elif not _is_number(value):
        raise wrong
    elif shape.kind == "integer":
        if value != int(value) or abs(value) >= _MOST_INTEGER:
            raise wrong
        return int(value)
    return value


def _a(shape: Shape) -> str:
    return f"an {shape.kind}" if shape.kind == "integer" else f"a {shape.kind}"


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _check_limits(shape: Shape, value: Any, where: str, problems: _Problems) -> None:
    if isinstance(value, str | bytes):
        _check_length(shape, value, where, problems)
        if shape.pattern and isinstance(value, str) and not compiled(shape.pattern).fullmatch(value):
            problems.add(value, where, f"Member must satisfy regular expression pattern: {shape.pattern}")
        if shape.choices and value not in shape.choices:
            problems.add(value, where, f"Member must satisfy enum value set: [{', '.join(shape.choices)}]")
        return
    if shape.least is not None and value < shape.least:
        problems.add(value, where, f"Member must have value greater than or equal to {shape.least}")
    if shape.most is not None and value > shape.most:
        problems.add(value, where, f"Member must have value less than or equal to {shape.most}")


def _check_length(shape: Shape, value: Any, where: str, problems: _Problems) -> None:
    shown = "" if isinstance(value, bytes) else value
    if shape.least is not None and len(value) < shape.least:
        problems.add(shown, where, f"Member must have length greater than or equal to {shape.least}")
    if shape.most is not None and len(value) > shape.most:
        problems.add(shown, where, f"Member must have length less than or equal to {shape.most}")


@functools.cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Make a pattern of the service one of Python: letters and numbers are `\\w`, whose `_` these patterns have too."""
    return re.compile(pattern.replace(r"\p{L}", r"\w").replace(r"\p{N}", "").replace(r"\p{Z}", _SEPARATORS))
