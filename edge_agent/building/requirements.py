"""What building needs beyond what serving needs."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from edge_agent.errors import EdgeAgentError
from edge_agent.hardware.library import fault_of


def require(what: str, packages: Mapping[str, str], extras: str, error: type[EdgeAgentError]) -> None:
    """Check that packages, by the names of their modules, are installed, and that the engine can be loaded.

    Raises:
        error: one is not; the text says what needs it, `what`, and how to get it. Or the engine can't be loaded, and
            would end this process.
    """
    for module, package in packages.items():
        if importlib.util.find_spec(module) is None:
            raise error(f"{what} the package '{package}'; install edge-agent with its extras {extras}")
    fault = fault_of("onnxruntime")
    if fault is not None:
        raise error(f"{fault.sentence}; what may help: {fault.remedy}")
