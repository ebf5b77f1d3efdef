"""The seam between the agent and whatever executes a model on the processor. The one for GPUs is gpu_engine.py."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from edge_agent.errors import ComponentError, LoadingFailed
from edge_agent.hardware.library import describe_library, describe_processor
from edge_agent.inference.engines.signature import Signature
from edge_agent.inference.imaging.tensor import Tensor


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


def load_on_processor(path: Path, threads: int = 0) -> Engine:
    """Load an ONNX file; `threads` of 0 leaves the number to the engine.

    Raises:
        ComponentError: the engine's library is not installed, or the file is not for it.
        LoadingFailed: the library is there and can't be loaded; without memory it says that a part of it is missing.
    """
    try:
        from edge_agent.inference.engines.onnxruntime_cpu import OnnxRuntimeCpu
    except ImportError as error:
        if error.name != "onnxruntime":
            raise LoadingFailed(
                f"{describe_library('onnxruntime')} can't be loaded on this device, {describe_processor()}: {error}"
            ) from None
        raise ComponentError(
            f"engine 'onnxruntime-cpu' needs the Python module '{error.name}'; install edge-agent with its extra [cpu]"
        ) from None
    return OnnxRuntimeCpu(path, threads)
