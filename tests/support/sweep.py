"""Requests to the service's API, from its table: each field, wrong in every way and at its limits."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from edge_agent.studio.aws.table.operations import OPERATIONS, VERSION
from edge_agent.studio.aws.table.scalars import SCALARS
from edge_agent.studio.aws.table.shape import Member, Operation, Shape, read_members
from edge_agent.studio.aws.table.structures import STRUCTURES
from edge_agent.studio.aws.validation import compiled

VALIDATION, SERIALIZATION = "ValidationException", "SerializationException"
Where = tuple[str | int, ...]

#: a value that fits, of shapes whose pattern or values say more than a length
_FITTING: dict[str, Any] = {
    "AnomalyClassFilter": "normal", "ClientToken": "t", "ComponentVersion": "1.0.0", "DatasetType": "train",
    "DateTime": "2024-01-02T03:04:05Z", "IsLabeled": "true", "ModelVersion": "7", "ModelVersionNoLatest": "7",
    "TagArn": "arn:aws:lookoutvision:r:000000000000:project/nobody", "ContentType": "image/png",
    "PaginationToken": "abc=", "ProjectName": "nobody",
    "Stream": b"x",
}  # fmt: skip
#: the longest that fits, where repeating a letter does not
_LONGEST = {"ModelVersion": "9" * 10, "ModelVersionNoLatest": "9" * 10, "ComponentVersion": "123456.123456.123456"}
#: their lengths can't be reached: the pattern lets fewer through
_OF_PATTERN_ALONE = {"AnomalyClassFilter", "DatasetType", "ComponentVersion"}
_WRONG: dict[str, tuple[Any, ...]] = {
    "list": ("x", {}, 1), "integer": ("1", 1.5, True, [], 1e999, 1 << 31, 10**400), "blob": ("?", 1, {}),
    "string": (1, {}, "a\ud800"), "structure": ("x", 1, []),
}  # fmt: skip
_LETTERS = ("!", "ä", "a\0", "a\nb")


class Case(NamedTuple):
    """A request, and how it has to be answered; `code` "" means: not refused for this field."""

    name: str
    operation: Operation
    values: dict[str, Any]
    code: str
    #: the field and the constraint, as the message has them
    field: str = ""
    constraint: str = ""

    def sent(self) -> tuple[str, str, dict[str, str], bytes]:
        """Give method, target, headers and body."""
        path, query, headers, document, payload = self.operation.path, [], {}, {}, None
        for member in self.operation.members:
            if member.name not in self.values:
                continue
            value = self.values[member.name]
            if member.place == "uri":
                path = path.replace(f"{{{member.key}}}", quote(value, safe=""))
            elif member.place == "query":
                query += [(member.key, one) for one in (value if isinstance(value, list) else [str(value)])]
            elif member.place == "header":
                headers[member.key] = value
            elif member.place == "payload":
                payload = value
            else:
                document[member.name] = value
        has_body = any(member.place == "body" for member in self.operation.members)
        body = payload if payload is not None else json.dumps(document).encode() if has_body else b""
        return self.operation.method, f"/{VERSION}{path}?{urlencode(query)}".rstrip("?"), headers, body


def cases() -> Iterator[Case]:
    """Make all cases of the table."""
    for operation in OPERATIONS:
        base = {member.name: fitting(member.shape) for member in operation.members if member.required}
        for member in operation.members:
            yield from _of_member(operation, base, member)


def fitting(name: str) -> Any:
    """Give a value that fits a shape; of a structure only what has to be there."""
    if name in STRUCTURES:
        return {one.name: fitting(one.shape) for one in read_members(STRUCTURES[name]) if one.required}
    if name in _FITTING:
        return _FITTING[name]
    shape = SCALARS[name]
    least = shape.least or 0
    if shape.kind == "list":
        return [fitting(shape.of)]
    if shape.kind == "string":
        return shape.choices[0] if shape.choices else "a" * max(1, least)
    return {"integer": least, "blob": base64.b64encode(b"{}").decode()}[shape.kind]


def _of_member(operation: Operation, base: dict[str, Any], member: Member) -> Iterator[Case]:
    def case(what: str, value: Any, code: str, constraint: str = "", where: Where = (member.name,)) -> Case:
        values = copy.deepcopy(base)
        values.setdefault(member.name, fitting(member.shape))
        _put(values, where, value)
        return Case(f"{operation.name} {_dotted(where)} {what}", operation, values, code, _field(where), constraint)

    if member.place == "body":
        for where, shape, required in _inside((member.name,), member.shape, member.required):
            yield from (case(what, value, code, said, where) for what, value, code, said in _of_json(shape, required))
        return
    if member.place == "payload":
        yield case("empty", b"", VALIDATION, "Member must not be null")
        return
    if member.required and member.place != "uri":
        missing = {name: value for name, value in base.items() if name != member.name}
        yield Case(f"{operation.name} {member.name} missing", operation, missing, VALIDATION, _field((member.name,)),
                   "Member must not be null")  # fmt: skip
    scalar = SCALARS[member.shape]
    if scalar.kind == "list":
        yield case("too many", ["a"] * ((scalar.most or 0) + 1), VALIDATION, "length less than or equal to")
        return
    for what, value, code, said in (*_of_text(member.shape), *_of_query(scalar)):
        if member.place == "header" and not re.fullmatch(r"[\x21-\x7e]*", str(value)):
            continue  # no header's value
        if member.place == "uri" and not value:
            continue  # another path
        yield case(what, value, code, said)


def _inside(where: Where, name: str, required: bool) -> Iterator[tuple[Where, str, bool]]:
    yield where, name, required
    if name in STRUCTURES:
        for member in read_members(STRUCTURES[name]):
            yield from _inside((*where, member.name), member.shape, member.required)
    elif SCALARS[name].kind == "list":
        yield from _inside((*where, 0), SCALARS[name].of, True)


def _of_json(name: str, required: bool) -> Iterator[tuple[str, Any, str, str]]:
    null = "Member must not be null"
    yield "null", None, VALIDATION if required else "", null if required else ""
    if name in STRUCTURES:
        yield from (("of another type", value, SERIALIZATION, "JSON object") for value in _WRONG["structure"])
        return
    shape = SCALARS[name]
    yield from (("of another type", value, SERIALIZATION, "") for value in _WRONG[shape.kind])
    if shape.kind == "list":
        yield "too many", [fitting(shape.of)] * ((shape.most or 0) + 1), VALIDATION, "length less than or equal to"
    elif shape.kind == "blob":
        yield "empty", "", VALIDATION, "length greater than or equal to"
        yield "too large", base64.b64encode(bytes((shape.most or 0) + 1)).decode(), VALIDATION, "length less than"
    elif shape.kind == "integer":
        yield "too small", (shape.least or 0) - 1, VALIDATION, "value greater than or equal to"
        yield "the least", shape.least, "", ""
    else:
        yield from _of_text(name)


def _of_text(name: str) -> Iterator[tuple[str, Any, str, str]]:
    shape = SCALARS[name]
    if shape.kind != "string":
        return
    if shape.choices:
        for value in ("other", shape.choices[0].lower(), ""):
            if value not in shape.choices:
                yield f"{value!r}", value, VALIDATION, f"enum value set: [{', '.join(shape.choices)}]"
        yield from ((value, value, "", "") for value in shape.choices)
        return
    if shape.pattern:
        unfit = [value for value in _LETTERS if not compiled(shape.pattern).fullmatch(value)]
        for value in dict.fromkeys((*unfit[:1], *unfit[-1:])):
            yield f"{value!r}", value, VALIDATION, f"regular expression pattern: {shape.pattern}"
    if shape.least:
        yield (
            "too short",
            fitting(name)[: shape.least - 1],
            VALIDATION,
            f"length greater than or equal to {shape.least}",
        )
    if shape.most:
        yield "too long", "1" * (shape.most + 1), VALIDATION, f"length less than or equal to {shape.most}"
    for value in (fitting(name)[: shape.least], _LONGEST.get(name) or "a" * (shape.most or 9)):
        if value and name not in _OF_PATTERN_ALONE and compiled(shape.pattern).fullmatch(value):
            yield f"of {len(value)} characters", value, "", ""


def _of_query(shape: Shape) -> Iterator[tuple[str, Any, str, str]]:
    if shape.kind == "integer":
        yield from (
            (f"{value!r}", value, VALIDATION, "Member must be an integer")
            for value in ("x", "", "1.5", "1_0", "٣", " 1")
        )
        if shape.least is not None:
            yield "too small", str(shape.least - 1), VALIDATION, "value greater than or equal to"
            yield "the least", str(shape.least), "", ""
        if shape.most is not None:
            yield "too large", str(shape.most + 1), VALIDATION, "value less than or equal to"
            yield "the most", str(shape.most), "", ""
    elif shape.kind == "boolean":
        yield from ((f"{value!r}", value, VALIDATION, "Member must be a boolean") for value in ("yes", "1", "", "True"))
        yield "false", "false", "", ""
    elif shape.kind == "timestamp":
        for value in ("today", "", "2024-13-01T00:00:00Z", "9" * 30):
            yield f"{value!r}", value, VALIDATION, "Member must be a timestamp"
        yield "a date", "2024-01-02", "", ""


def _put(values: Any, where: Where, value: Any) -> None:
    """Set a value inside a request; optional structures on the way get what they have to have."""
    place, shape = values, ""
    for step, _ in pairwise(where):
        shape = _shape_of(step, shape, values)
        if isinstance(step, str):
            place.setdefault(step, fitting(shape))
        place = place[step]
    place[where[-1]] = value


def _shape_of(step: str | int, shape: str, values: Any) -> str:
    if isinstance(step, int):
        return SCALARS[shape].of
    if shape:
        return next(member.shape for member in read_members(STRUCTURES[shape]) if member.name == step)
    return next(m.shape for operation in OPERATIONS for m in operation.members if m.name == step)


def _dotted(where: Where) -> str:
    return ".".join(map(str, where))


def _field(where: Where) -> str:
    return ".".join(f"{step + 1}.member" if isinstance(step, int) else step[0].lower() + step[1:] for step in where)
