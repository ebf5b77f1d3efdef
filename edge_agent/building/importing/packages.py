"""What importing needs beyond what serving needs."""

from __future__ import annotations

import importlib.util

from edge_agent.building.requirements import require
from edge_agent.errors import ImportFailed

_PACKAGES = {name: name for name in ("onnx", "onnxruntime", "yaml")}


def require_packages() -> None:
    """Check that what importing a model needs is installed; ImportFailed as `require` raises it."""
    require("importing a model needs", _PACKAGES, "[cpu,import]", ImportFailed)


def require_torch(path: str) -> None:
    """Check that torch is installed, which reads the TorchScript file `path`.

    Raises:
        ImportFailed: it is not.
    """
    if importlib.util.find_spec("torch") is None:
        raise ImportFailed(
            f"'{path}' is a TorchScript file, and the package 'torch' that converts it is not installed; install "
            "edge-agent with its extras [cpu,import,segmentation], on any machine: the device does not need it"
        )
