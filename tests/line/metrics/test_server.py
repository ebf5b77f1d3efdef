"""A line's metrics, as they are asked for; a line at work has its own in tests/line/test_line.py."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from edge_agent.errors import AddressInUse
from edge_agent.line.metrics.counts import Counts
from edge_agent.line.metrics.server import LineMetrics
from edge_agent.line.metrics.table import LINE_METRICS
from edge_agent.line.tables.models import Model
from edge_agent.line.tables.sources import HttpSource
from edge_agent.line.tables.whole import Line
from tests.support.scraping import fetch, samples


def _line(address: str) -> Line:
    return Line(name="a", source=HttpSource(kind="http", port=1), model=(Model(name="m"),), metrics=address)


def test_every_metric_of_the_table_is_told(tmp_path: Path) -> None:
    counts = Counts()
    counts.decided("reject", time.monotonic() - 0.25)
    counts.parts["early"] += 2
    counts.safe_states["source"] += 1
    path = tmp_path / "metrics.sock"
    server = LineMetrics(_line(f"unix://{path}"), counts, lambda: 3)
    try:
        told = samples(fetch(path))
        openmetrics = fetch(path, "application/openmetrics-text;version=1.0.0")
        families = {family.name for family in text_string_to_metric_families(openmetrics)}  # type: ignore[no-untyped-call]
    finally:
        server.close()
        server.close()
    assert families == LINE_METRICS.keys()
    assert told["edge_agent_line_parts_total", ("a", "reject")] == 1
    assert told["edge_agent_line_parts_total", ("a", "early")] == 2
    assert told["edge_agent_line_parts_total", ("a", "pass")] == 0
    assert told["edge_agent_line_safe_states_total", ("source", "a")] == 1
    assert told["edge_agent_line_cycle_limit_seconds", ("a",)] == 1
    assert told["edge_agent_line_broken_pins", ("a",)] == 3
    assert told["edge_agent_line_cycle_seconds_sum", ("a",)] >= 0.25
    assert not path.exists()


def test_an_address_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AddressInUse, match=f"metrics can't be served at {address}: Address already in use"):
            LineMetrics(_line(address), Counts(), lambda: 0)
