"""Metrics as text, in Prometheus' format and in OpenMetrics.

The library prometheus_client says which of them a request wants, and writes what it collects itself. It takes 12 µs for
a line, that is 20 ms for sixteen models, so our own families are written here, to the same letters
(but a histogram's `le` is its last label), in a tenth of that.
Everything is written in pieces, between which the event loop has its turn.

Formats: https://prometheus.io/docs/instrumenting/exposition_formats/, https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from edge_agent.serving.observing.histogram import Histogram
from edge_agent.serving.observing.pace import Pace

_END = b"# EOF\n"
_AT_ONCE = 40  # pieces of text: less than 0.1 ms
_LABELS = b"\0"  # stands for them in a pattern


class HistogramFamily(NamedTuple):
    """The histograms of one name, each with the values of its labels."""

    name: str
    help: str
    labels: tuple[str, ...]
    rows: list[tuple[tuple[str, ...], Histogram]]


class ScalarFamily(NamedTuple):
    """The numbers of one name: of counters, or of gauges."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    rows: Iterable[tuple[tuple[str, ...], float]]


class Exposition(NamedTuple):
    """What is answered to a scrape."""

    content_type: str
    body: bytes


class _One(Collector):
    """A registry of one family, for the library to write."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)


async def write(
    families: AsyncIterator[Metric | HistogramFamily | ScalarFamily], accept: str, pace: Pace | None = None
) -> Exposition:
    """Write families in the format that the header `accept` of a request prefers, at this pace."""
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        encode, content_type = choose_encoder("")
    openmetrics = encode is not generate_latest and content_type.startswith("application/openmetrics-text")
    parts: list[bytes] = []
    pace = pace or Pace()
    async for family in families:
        if isinstance(family, HistogramFamily):
            for text in _histograms(family):
                parts.append(text)
                await pace.step()
        elif isinstance(family, ScalarFamily):
            for text in _scalars(family, openmetrics):
                parts.append(text)
                await pace.step()
        else:
            parts.append(encode(_One(family)).removesuffix(_END))
        await pace.step()
    return Exposition(content_type, b"".join(parts) + _END * openmetrics)


def _scalars(family: ScalarFamily, openmetrics: bool) -> Iterable[bytes]:
    """Give the head of a family and then its lines, some at a time."""
    line_name = family.name + "_total" * (family.kind == "counter")
    name = family.name if openmetrics else line_name
    lines = [f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n"]
    for values, value in family.rows:
        lines.append(_begin(line_name, family.labels, values) + _number(value))
        if len(lines) > _AT_ONCE:
            yield "".join(lines).encode()
            lines.clear()
    yield "".join(lines).encode()


@lru_cache(8192)
def _begin(name: str, labels: tuple[str, ...], values: tuple[str, ...]) -> str:
    """Write what is the same of a line at each scrape."""
    written = ",".join([f'{label}="{_escape(value)}"' for label, value in sorted(zip(labels, values, strict=True))])
    return f"{name}{{{written}}} " if written else f"{name} "


def _number(value: float) -> str:
    # Most are small counts, which need no search for an exponent.
    if isinstance(value, int) and 0 <= value < 1_000_000:
        return f"{value:d}.0\n"
    return f"{floatToGoString(value)}\n"  # type: ignore[no-untyped-call]


def _histograms(family: HistogramFamily) -> Iterable[bytes]:
    """Give the head of a family and then each of its histograms; the two formats write them alike."""
    name = family.name
    yield f"# HELP {name} {family.help}\n# TYPE {name} histogram\n".encode()
    for values, histogram in family.rows:
        labels = ",".join([f'{label}="{_escape(value)}"' for label, value in zip(family.labels, values, strict=True)])
        totals = (*accumulate(histogram.counts),)
        pattern = _pattern(name, histogram.bounds).replace(_LABELS, labels.replace("%", "%%").encode())
        yield pattern % (*totals, totals[-1], histogram.sum)


@lru_cache(64)
def _pattern(name: str, bounds: tuple[float, ...]) -> bytes:
    """Write the lines of a histogram, with a place for the labels, which are in each of them, and for the numbers.

    As bytes, which take numbers in half of the time that text needs.
    """
    labels = _LABELS.decode()
    buckets = [f'{name}_bucket{{{labels},le="{bound}"}} %d\n' for bound in (*bounds, "+Inf")]
    return "".join([*buckets, f"{name}_count{{{labels}}} %d\n{name}_sum{{{labels}}} %a\n"]).encode()


@lru_cache(1024)
def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
