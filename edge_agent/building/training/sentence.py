"""A sentence of the trainer with its numbers, so that a page can say it in other languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


def written_size(size: tuple[int, int]) -> str:
    """Write a width and a height as sentences have them."""
    return f"{size[0]}x{size[1]}"


class Sentence(NamedTuple):
    """What a person is told, in English, and what a program makes a sentence of its own of."""

    text: str
    #: which sentence it is
    key: str
    #: what it tells, as it is written in the text, by name
    values: Mapping[str, str] = MappingProxyType({})
    #: which remedy it ends with, where it is one of several
    remedy: str = ""

    def named(self) -> dict[str, Any]:
        """Give the fields by their names."""
        return self._asdict() | {"values": dict(self.values)}
