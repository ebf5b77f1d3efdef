"""The seam between the agent and whatever executes a model, and the table of what is there."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from edge_agent.engines.signature import Signature
from edge_agent.errors import ComponentError
from edge_agent.imaging.tensor import Tensor

#: name of an engine -> its class; later engines (TensorRT, CUDA) are added here
ENGINES = {"onnxruntime-cpu": "edge_agent.engines.onnxruntime_cpu:OnnxRuntimeCpu"}


class EngineOptions(NamedTuple):
    """What the device decides about an engine; `threads` of 0 leaves the number to the engine."""

    threads: int = 0


class Engine(Protocol):
    """One loaded model. Used by one thread at a time."""

    @property
    def signature(self) -> Signature:
        """What the loaded model takes and gives."""
        ...

    def run(self, name: str, tensor: Tensor, outputs: list[str]) -> list[Tensor]:
        """Execute the model on one input and return the named outputs in that order.

        Raises:
            EngineFailed: the engine could not execute the model on this input.
        """
        ...


class EngineClass(Protocol):
    """What stands in the table."""

    def __call__(self, path: Path, options: EngineOptions) -> Engine:
        """Load a model file; ComponentError says why it can't be."""
        ...


def load_engine(name: str, path: Path, options: EngineOptions) -> Engine:
    """Load the model file `path` into the engine `name`.

    Raises:
        ComponentError: there is no such engine, its library is not installed, or the file is not for it.
    """
    module, _, attribute = ENGINES[name].partition(":")
    try:
        engine_class = cast(EngineClass, getattr(importlib.import_module(module), attribute))
    except ImportError as error:
        raise ComponentError(
            f"engine '{name}' needs the Python module '{error.name}'; install edge-agent with its extra [cpu]"
        ) from None
    return engine_class(path, options)
