"""The seam between the agent and whatever executes a model on a GPU, and the table of what there is.

On a GPU the engine has the whole way from pixels to mask: the preparation before the model and the conclusion after it
are ONNX graphs too (stages/), so that the bitmap crosses to the GPU once and only the answer comes back.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast

from edge_agent.component.manifest import Manifest
from edge_agent.errors import ComponentError, EdgeAgentError, EngineFailed, EngineLost
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.inference.engines.progress import Progress
from edge_agent.inference.imaging.resize import U8
from edge_agent.inference.imaging.tensor import Tensor

log = logging.getLogger(__name__)

#: name -> module:class
_GPU_ENGINES = {
    "tensorrt": "edge_agent.inference.engines.tensorrt_engine:TensorRtEngine",
    "onnxruntime-tensorrt": "edge_agent.inference.engines.onnxruntime_gpu:OnnxRuntimeTensorRt",
    "onnxruntime-cuda": "edge_agent.inference.engines.onnxruntime_gpu:OnnxRuntimeCuda",
}


class GpuEngine(Protocol):
    """One model with its preparation and conclusion, loaded on a GPU. Used by one thread at a time."""

    @property
    def pixels(self) -> U8:
        """The bitmaps of the next run: uint8 [batch, height, width, 3], in memory that the GPU copies from."""
        ...

    def run(self, count: int) -> Mapping[str, Tensor]:
        """Inspect the first `count` bitmaps of `pixels`, and return what the conclusion's graph gives.

        The arrays, each [count, …], are valid until the next run; inference/stages/conclusion.py has their names.

        Raises:
            EngineFailed: the engine could not execute the model on them.
        """
        ...


class GpuEngineClass(Protocol):
    """What stands in the table."""

    def __call__(self, folder: Path, manifest: Manifest, options: EngineOptions, progress: Progress) -> GpuEngine:
        """Load the component in `folder`; ComponentError says why it can't be."""
        ...


def load_on_gpu(name: str, folder: Path, manifest: Manifest, options: EngineOptions, progress: Progress) -> GpuEngine:
    """Load a component into the engine `name`, building what it needs for this device.

    Raises:
        ComponentError: the engine's library is not installed, or can't run this model here.
        EngineLost: the GPU failed; this process can't use it any more.
    """
    module, _, attribute = _GPU_ENGINES[name].partition(":")
    try:
        engine_class = cast(GpuEngineClass, getattr(importlib.import_module(module), attribute))
    except ImportError as error:
        raise ComponentError(f"the Python module '{error.name}' can't be loaded ({error})") from None
    try:
        return engine_class(folder, manifest, options, progress)
    except EdgeAgentError as error:
        if isinstance(error, EngineFailed):  # CUDA's; another engine would meet it too, in this process
            raise EngineLost(str(error)) from None
        raise
    except Exception as error:  # a library's own way to say that it can't
        log.exception("engine %s can't load %s", name, folder)
        raise ComponentError(f"it can't be loaded: {type(error).__name__}: {error}") from None
