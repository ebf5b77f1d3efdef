"""How metrics are written: to the letter as the library writes them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import pytest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from edge_agent.serving.observing.exposition import HistogramFamily, ScalarFamily, write

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


def _written(family: Metric | HistogramFamily | ScalarFamily, accept: str) -> bytes:
    async def families() -> AsyncIterator[Metric | HistogramFamily | ScalarFamily]:
        yield family

    return asyncio.run(write(families(), accept)).body
