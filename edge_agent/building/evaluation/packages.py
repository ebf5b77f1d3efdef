"""What building and measuring need beyond what serving needs."""

from __future__ import annotations

import importlib.util

from edge_agent.errors import TrainingError
from edge_agent.hardware.library import fault_of

_PACKAGES = {"onnx": "onnx", "onnxruntime": "onnxruntime", "sklearn": "scikit-learn"}


def require_packages() -> None:
    """Check that what building and measuring a model need is installed, and that the engine can be loaded.

    Raises:
        TrainingError: it is not; the text says how to get it. Or it can't, and would end this process.
    """
    for module, package in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise TrainingError(
                f"building and measuring models need the package '{package}'; install edge-agent with its extras "
                "[cpu,train]"
            )
    fault = fault_of("onnxruntime")
    if fault is not None:
        raise TrainingError(f"{fault.sentence}; what may help: {fault.remedy}")
