"""Every metric of a line: its type, labels and meaning. The answer to a scrape and docs/metrics.md are made from it."""

from __future__ import annotations

from edge_agent.serving.observing.table import Metric

_LINE = ("line",)

_ROWS = (
    Metric("edge_agent_line_able", "gauge", "", _LINE, "1 while the line can inspect, 0 while its pins are safe"),
    Metric("edge_agent_line_parts", "counter", "parts", ("line", "outcome"),
           "parts by outcome: pass, reject, look, failed (not inspected) and early (there was no room for it)"),
    Metric("edge_agent_line_late_parts", "counter", "parts", _LINE,
           "of these, those whose decision moved no pin: it came after the cycle"),
    Metric("edge_agent_line_safe_states", "counter", "times", ("line", "cause"),
           "how often the line came to its safe state: by its source, the agent or a model, a part that could not be "
           "inspected, a decision that was late, the encoder, an output that could not be set, or the inspecting "
           "process, which had ended"),
    Metric("edge_agent_line_restarts", "counter", "restarts", _LINE,
           "how often the inspecting process was started again"),
    Metric("edge_agent_line_cycle_seconds", "histogram", "seconds", _LINE,
           "from when a part came to its decision: pass, reject and look"),
    Metric("edge_agent_line_cycle_limit_seconds", "gauge", "seconds", _LINE, "what it may take (cycle_ms)"),
    Metric("edge_agent_line_last_part_timestamp_seconds", "gauge", "seconds", _LINE,
           "when the last part was decided, seconds since 1970; 0: none was"),
    Metric("edge_agent_line_broken_pins", "gauge", "pins", _LINE,
           "pins that could not be set when they last had to be"),
)  # fmt: skip

LINE_METRICS = {row.name: row for row in _ROWS}
