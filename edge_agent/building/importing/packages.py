"""What importing needs beyond what serving needs."""

from __future__ import annotations

import importlib.util

from edge_agent.errors import ImportFailed
from edge_agent.hardware.library import fault_of

_PACKAGES = {"onnx": "[cpu,import]", "onnxruntime": "[cpu,import]", "yaml": "[cpu,import]"}


def require_packages() -> None:
    """Check that what importing a model needs is installed, and that the engine can be loaded.

    Raises:
        ImportFailed: it is not; the text says how to get it. Or it can't, and would end this process.
    """
    for module, extras in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise ImportFailed(
                f"importing a model needs the package '{module}'; install edge-agent with its extras {extras}"
            )
    fault = fault_of("onnxruntime")
    if fault is not None:
        raise ImportFailed(f"{fault.sentence}; what may help: {fault.remedy}")


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
