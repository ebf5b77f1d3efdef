"""Whatever stands in a manifest or CSV of labelled pictures: it is read, or one sentence says why not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz import dataset
from tests.fuzz.dataset import CSV, LINE, LINES
from tests.fuzz.edits import VALUES
from tests.support.properties import examples


def _with(**changes: Any) -> dict[str, Any]:
    return {**LINE, **changes}


def _colored(*colors: str) -> dict[str, Any]:
    names = ["BACKGROUND", "crack", "dent"]
    colour_map = {str(i): {"class-name": names[i], "hex-color": color} for i, color in enumerate(colors)}
    key = "anomaly-mask-ref-metadata"
    return {**LINE, key: {**LINE[key], "internal-color-map": colour_map}}


def _nested(depth: int) -> bytes:
    """A class name of lists in lists, of which json reads more than repr writes."""
    key = "anomaly-label-metadata"
    line = json.dumps(_with(**{key: {**LINE[key], "class-name": "?"}}))
    return line.replace('"?"', "[" * depth + "]" * depth).encode()


@pytest.mark.parametrize(
    "line",
    [
        _with(**{"source-ref": "x" * 300}),
        _with(**{"source-ref": "a/" * 5000}),
        _with(**{"source-ref": "a\0b"}),
        _with(**{"source-ref": "\ud800"}),
        _with(**{"source-ref": "s3://"}),
        _with(**{"source-ref": "s3://../../etc/passwd"}),
        _with(**{"source-ref": "good.png/inside"}),
        _with(**{"source-ref": "\x1b[2J\n"}),
        _with(**{"anomaly-mask-ref": "y" * 300}),
        _colored("#ffffff", "#-1-1-1"),
        _colored("#ffffff", "#+1+1+1"),
        _colored("#ffffff", "# 1 1 1"),
    ],
)
def test_lines_that_once_ended_in_a_traceback_or_in_nonsense(line: dict[str, Any]) -> None:
    dataset.consume(json.dumps(line).encode())


@pytest.mark.parametrize("depth", [*range(880, 1000, 3), 100_000])
def test_a_value_that_is_nested_too_deeply(depth: int) -> None:
    dataset.consume(_nested(depth))


_values = st.sampled_from(VALUES) | st.text(max_size=8) | st.integers() | st.floats()
_lines = st.dictionaries(
    st.sampled_from([*LINE, "x", "x-metadata", "x-detected", "x-detected-metadata"]),
    st.one_of(_values, st.sampled_from(list(LINE.values())), st.dictionaries(st.text(max_size=5), _values, max_size=3)),
    max_size=6,
)


@examples(150)
@given(st.lists(_lines | st.just(LINE), max_size=3), st.sampled_from(["\n", "\r\n", "\n\n", ""]))
@example([LINE, LINE], "\n")
def test_any_lines(lines: list[dict[str, Any]], end: str) -> None:
    dataset.consume(end.join(map(json.dumps, lines)).encode())


@examples(100)
@given(st.binary(max_size=60))
def test_any_changes_to_a_line(script: bytes) -> None:
    dataset.consume(LINES + script)


@examples(100)
@given(st.text(max_size=60).map(str.encode) | st.binary(max_size=60))
@example(b"a" * 200_000 + b",normal")
@example(b'"a\nb",normal\n"a\nb",anomaly\n')
@example("é\u2028,normal".encode())
@example(b"\0,normal")
def test_any_csv(data: bytes) -> None:
    dataset.consume(CSV + data)
    dataset.consume(CSV + data.replace(b" ", b",normal\n"))
