"""What the table of the API is made of."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Kind = Literal["string", "integer", "float", "boolean", "timestamp", "blob", "list"]
Place = Literal["body", "uri", "query", "header", "payload"]
#: what an access key may do: look; start, stop and ask models; everything
Scope = Literal["read", "use", "administer"]


class Shape(NamedTuple):
    """A scalar, or a list of `of`; limits count characters, bytes, items, or are of the number itself."""

    kind: Kind
    least: int | None = None
    most: int | None = None
    #: as the service writes it: `^` and `$` or not, the whole value has to fit
    pattern: str = ""
    choices: tuple[str, ...] = ()
    of: str = ""
    #: a body that is the value itself
    streaming: bool = False


class Member(NamedTuple):
    """A member of a structure, and where a request has it; `key` is its name there."""

    name: str
    shape: str
    required: bool
    place: Place = "body"
    key: str = ""


class Operation(NamedTuple):
    """An operation: its route, the status of its answer, who may ask, and the members of request and answer."""

    name: str
    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    status: int
    scope: Scope
    asks: str
    answers: str
    #: it may answer ServiceQuotaExceededException, ConflictException
    quota: bool = False
    conflict: bool = True
    #: the member of a long answer that comes in pages
    page: str = ""

    @property
    def members(self) -> tuple[Member, ...]:
        """What a request has."""
        return read_members(self.asks)


class Error(NamedTuple):
    """An error: the status of its answer, and its members."""

    status: int
    members: str


_MEMBER = re.compile(r"(\*?)(\w+): (\w+)(?: @(uri|query|header|payload) (\S+))?")


def read_members(text: str) -> tuple[Member, ...]:
    """Read members: `*NAME: SHAPE @PLACE KEY; …`, the * where one is required, the place where it is not the body."""
    found = []
    for part in filter(None, text.split("; ")):
        match = _MEMBER.fullmatch(part)
        assert match, part
        star, name, shape, place, key = match.groups()
        found.append(Member(name, shape, bool(star), place or "body", key or name))  # type: ignore[arg-type]
    return tuple(found)
