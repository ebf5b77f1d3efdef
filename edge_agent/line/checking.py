"""The mistakes of a line's text, each with the line that it is in: for editors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from edge_agent.line.places import Places
from edge_agent.line.reading import NotToml, mistakes_in, values_of

#: how the text of a mistake begins, as `mistakes_in` says
_WHERE = re.compile(r"(?P<table>\w+)(?: (?P<number>\d+)| '(?P<name>[^']*)')?(?P<mark>[.:])? ?(?P<key>\w*)")
_AT_LINE = re.compile(r"\s*\(at (?:line (?P<line>\d+), column \d+|end of document)\)")


class Mistake(msgspec.Struct, frozen=True):
    """A mistake, and the line (from 1) of the text that it is in; 0 for one that is in none."""

    line: int
    text: str


def check_text(text: str) -> list[Mistake]:
    """Name every mistake of the text of a line's file, in the order of its lines.

    Of a text that is no TOML only the first is known: what comes after it has no certain meaning.
    """
    try:
        values = values_of(text)
    except NotToml as error:
        found = _AT_LINE.search(str(error))
        line = int(found["line"]) if found and found["line"] else text.count("\n") + 1
        return [Mistake(line, f"this is not valid TOML: {_AT_LINE.sub('', str(error))}")]
    places = Places(text)
    mistakes = [Mistake(_line(said, places, values), said) for said in mistakes_in(values)]
    return sorted(mistakes, key=lambda mistake: mistake.line)


def _line(said: str, places: Places, values: Mapping[str, Any]) -> int:
    found = _WHERE.match(said)
    if found is None:
        return 0
    table, number, key = found["table"], int(found["number"] or 0), found["key"]
    if found["name"] is not None and table == "event":
        number = _number_of(found["name"], values)
    elif not found["mark"] and not number:
        return places.of("", 0, table)
    if number == 0 and not isinstance(values.get(table), list):
        number = 1
    return places.of(table, number, key)


def _number_of(name: str, values: Mapping[str, Any]) -> int:
    """Say the how-manieth event has a name; of two the second, which is the one too many."""
    return max((number for number, event in enumerate(values["event"], 1) if event.get("name") == name), default=0)
