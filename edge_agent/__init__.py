"""edge-agent: image anomaly models behind gRPC on a Unix socket, with pictures in POSIX shared memory.

An application needs five lines:

    import edge_agent
    with edge_agent.Client() as client:
        client.start("cookies")
        result = client.detect("cookies", picture)   # uint8 [height, width, 3], RGB
        print(result.is_anomalous, result.confidence, result.areas)
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from edge_agent.version import __version__

if TYPE_CHECKING:
    from edge_agent.client.client import Client
    from edge_agent.client.detection import Detection, ModelInfo
    from edge_agent.errors import AgentUnreachable, CallFailed, EdgeAgentError
    from edge_agent.inference.decision import Decision, Rule, decide
    from edge_agent.inference.imaging.overlay import draw
    from edge_agent.inference.verdict import Area

# ONNX Runtime 1.32 sends usage data to its maker unless this stands in the environment before it is loaded (Privacy.md
# of its package). What an inspection device does stays on the device.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = [
    "AgentUnreachable",
    "Area",
    "CallFailed",
    "Client",
    "Decision",
    "Detection",
    "EdgeAgentError",
    "ModelInfo",
    "Rule",
    "__version__",
    "decide",
    "draw",
]

_HOMES = {
    "AgentUnreachable": "edge_agent.errors",
    "Area": "edge_agent.inference.verdict",
    "CallFailed": "edge_agent.errors",
    "Client": "edge_agent.client.client",
    "Decision": "edge_agent.inference.decision",
    "Detection": "edge_agent.client.detection",
    "EdgeAgentError": "edge_agent.errors",
    "ModelInfo": "edge_agent.client.detection",
    "Rule": "edge_agent.inference.decision",
    "decide": "edge_agent.inference.decision",
    "draw": "edge_agent.inference.imaging.overlay",
}


def __getattr__(name: str) -> Any:
    """Import an exported name when it is first used: a worker must not load gRPC, nor the daemon numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
