"""The figures of a time."""

from __future__ import annotations

from edge_agent.studio.api.call import Call, Operation
from edge_agent.studio.watching.dashboard import Dashboard, Wanted


def _get(call: Call) -> Dashboard:
    return call.parts.figures.dashboard(call.query)


OPERATIONS = (
    Operation("GetDashboard", "GET", "/dashboard", "viewer",
              "Give the figures of a time: pictures, anomalies, control chart, kinds, scores, times, what people said.",
              _get, query=Wanted, answer=Dashboard),
)  # fmt: skip
