"""What importing needs beyond what serving needs."""

from __future__ import annotations

import importlib.util

from edge_agent.errors import ImportFailed

_PACKAGES = {"onnx": "[cpu,import]", "onnxruntime": "[cpu,import]", "yaml": "[cpu,import]"}


def require_packages() -> None:
    """Check that what importing a model needs is installed.

    Raises:
        ImportFailed: it is not; the text says how to get it.
    """
    for module, extras in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise ImportFailed(
                f"importing a model needs the package '{module}'; install edge-agent with its extras {extras}"
            )


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
