"""How metrics are written: to the letter as the library writes them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from itertools import accumulate

import pytest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from edge_agent.serving.observing.exposition import HistogramFamily, ScalarFamily, write
from edge_agent.serving.observing.histogram import Histogram

_ROWS = [
    (("parts \\ \"bread\"\nüber", "1.0.0"), 3),
    (("cookies", "1.0.0"), 0.1),
    (("cookies", "2"), 123456789.0),
    (("m", ""), True),
    (("infinite", "1"), math.inf),
    (("no", "1"), math.nan),
]  # fmt: skip


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text;version=1.0.0"], ids=["text", "OpenMetrics"])
@pytest.mark.parametrize("kind", ["counter", "gauge"])
def test_numbers_are_written_as_the_library_writes_them(kind: str, accept: str) -> None:
    labels = ("model", "at")
    library = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(
        "edge_agent_x", "Some of it", labels=labels
    )
    for values, value in _ROWS:
        library.add_metric(values, value)
    ours = ScalarFamily("edge_agent_x", kind, "Some of it", labels, _ROWS)
    assert _written(ours, accept) == _written(library, accept)
    bare = GaugeMetricFamily("edge_agent_y", "None", value=7)
    assert _written(ScalarFamily("edge_agent_y", "gauge", "None", (), [((), 7)]), accept) == _written(bare, accept)


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text;version=1.0.0"], ids=["text", "OpenMetrics"])
def test_histograms_say_what_those_of_the_library_say(accept: str) -> None:
    labels = ("model", "version")
    library = HistogramMetricFamily("edge_agent_x_seconds", "Some of it", labels=labels)
    rows: list[tuple[tuple[str, ...], Histogram]] = []
    for place, values in enumerate((('100 %d \\ "bread"\nüber', "1.0.0"), ("%", ""), ("cookies", "1.0.0-\0"))):
        histogram = Histogram()
        for value in (0.0, 0.0005, 0.1 * place, 1e9)[: place + 2]:
            histogram.observe(value)
        rows.append((values, histogram))
        bounds = [*map(str, histogram.bounds), "+Inf"]
        library.add_metric(values, list(zip(bounds, accumulate(histogram.counts), strict=True)), histogram.sum)
    ours = HistogramFamily("edge_agent_x_seconds", "Some of it", labels, rows)
    # It has `le` first among the labels, where ours is last, and decimals of counts.
    assert _read(_written(ours, accept), accept) == _read(_written(library, accept), accept)


def _read(written: bytes, accept: str) -> list[Metric]:
    parse = openmetrics.text_string_to_metric_families if accept else text_string_to_metric_families
    return list(parse(written.decode()))


def _written(family: Metric | HistogramFamily | ScalarFamily, accept: str) -> bytes:
    async def families() -> AsyncIterator[Metric | HistogramFamily | ScalarFamily]:
        yield family

    return asyncio.run(write(families(), accept)).body
