"""What building and measuring need beyond what serving needs."""

from __future__ import annotations

from edge_agent.building.requirements import require
from edge_agent.errors import TrainingError

_PACKAGES = {"onnx": "onnx", "onnxruntime": "onnxruntime", "threadpoolctl": "threadpoolctl"}


def require_packages() -> None:
    """Check that what building and measuring a model need is installed; TrainingError as `require` raises it."""
    require("building and measuring models need", _PACKAGES, "[cpu,train]", TrainingError)
