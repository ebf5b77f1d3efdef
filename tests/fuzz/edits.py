"""Bytes as a list of changes to a JSON document: what a machine that knows no JSON needs to get past its syntax."""

from __future__ import annotations

import copy
import itertools
from typing import Any

_MOST = 500
#: what a key or value may be replaced with
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.5, -0.0, 1e308, 2**31, 2**63, 2**64, 10**400, "", "a", ".", "..", "../a", "/a",
    "a/b", "a\0b", "\ud800", "\udc80", "é\n", "x" * 300, "x" * 5000, "s3://", "s3://a", "s3://a/../b", "file:///",
    "#ffffff", "#FFFFFG", "#-1-1-1", "BACKGROUND", "normal", "anomaly", "1.0.0", "1.0.0-rc.1+b", "model.onnx",
    "model.plan", "segmentation", "classification", [], {}, [[]], [0, 0, 0], ["a"], {"a": 1},
)  # fmt: skip


def edited(document: Any, script: bytes) -> Any:
    """Apply a script: three bytes a change, which say where, what, and with which value."""
    document = copy.deepcopy(document)
    for position in range(0, len(script) - 2, 3):
        where, what, value = script[position : position + 3]
        places = list(itertools.islice(_places(document), _MOST))
        if not places or len(places) == _MOST:  # copies of copies
            return document
        holder, key = places[where % len(places)]
        new = copy.deepcopy(VALUES[value % len(VALUES)])
        if what % 8 == 0 and isinstance(holder, dict):
            del holder[key]
        elif what % 8 == 1 and isinstance(holder, dict):
            holder[str(new)] = holder.pop(key)
        elif what % 8 == 2:
            holder[key] = [copy.deepcopy(holder[key])] * (value % 4)
        elif what % 8 == 3 and isinstance(holder[key], str):
            holder[key] += str(new)
        elif what % 8 == 4:
            holder[key] = copy.deepcopy(document)
        else:
            holder[key] = new
    return document


def _places(document: Any) -> Any:
    """Every key and index of a document, from the outside in."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(items)[:20]:
        yield document, key
        if isinstance(value, dict | list):
            yield from _places(value)
