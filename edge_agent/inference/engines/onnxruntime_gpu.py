"""ONNX Runtime on a GPU, by its TensorRT or its CUDA provider.

https://onnxruntime.ai/docs/execution-providers/. Preparation, model and conclusion are three sessions; what goes from
one to the next stays on the GPU (I/O binding), so that only bitmaps go there and only answers come back.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from edge_agent.component.manifest import Manifest
from edge_agent.errors import ComponentError, EngineFailed, EngineLost
from edge_agent.hardware.nvidia import examine_nvidia
from edge_agent.inference.engines.gpu_model import GpuModel, Stage
from edge_agent.inference.engines.onnx_signature import read_signature
from edge_agent.inference.engines.onnxruntime_cpu import LOG_FATAL, first_line, read_spec
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.inference.engines.progress import Progress, repeated
from edge_agent.inference.engines.refusals import explain
from edge_agent.inference.engines.signature import Signature, check_signature, takes_batches
from edge_agent.inference.imaging.resize import U8
from edge_agent.inference.imaging.tensor import Tensor

#: a provider of ONNX Runtime and its options
Provider = tuple[str, dict[str, Any]]
_TENSORRT = "TensorrtExecutionProvider"
_CUDA: Provider = ("CUDAExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})


class Chain:
    """Preparation, model and conclusion as sessions of the same providers."""

    def __init__(
        self,
        model: GpuModel,
        device: str,
        providers: Sequence[Provider],
        progress: Progress,
        allocate: Callable[[tuple[int, ...], npt.DTypeLike], Tensor] = np.zeros,
    ) -> None:
        """Load them.

        Args:
            model: what is to be run.
            device: where a session's outputs stay for the next one: "cuda", or "cpu".
            providers: what executes them, the best first.
            progress: told what is built.
            allocate: makes the arrays that are copied to and from the device.

        Raises:
            ComponentError: a provider can't be used on this device, or not for this model.
        """
        self._device = device
        manifest = model.manifest
        with model.onnx_file() as file:
            signature = read_signature(file)
            check_signature(signature, manifest)
            self._batch = model.batch if takes_batches(signature, manifest) else 1
            middle = self._open(Stage.MODEL, file.read_bytes(), providers)
        first = self._open(Stage.PREPARATION, model.preparation(), providers)
        last = self._open(Stage.CONCLUSION, model.conclusion(_signature(middle)), providers)
        self._sessions = [first, middle, last]
        self._used = [[spec.name for spec in _signature(first).outputs], manifest.outputs.names, []]
        #: the bitmaps of the next run: uint8 [batch, height, width, 3]
        self.pixels: U8 = allocate((self._batch, manifest.image.height, manifest.image.width, 3), np.uint8)
        self._answers: dict[str, Tensor] = {
            spec.name: allocate((self._batch, *_fixed(spec.shape)), spec.dtype) for spec in _signature(last).outputs
        }
        if providers[0][0] == _TENSORRT:  # it builds when it first runs
            with repeated(progress, "building the engines"):
                for count in {1, self._batch}:
                    self.run(count)

    def _open(self, stage: Stage, source: bytes, providers: Sequence[Provider]) -> Any:
        return _open(
            stage, source, [(name, _with_profile(name, chosen, source, self._batch)) for name, chosen in providers]
        )

    def run(self, count: int) -> Mapping[str, Tensor]:
        """See GpuEngine.run."""
        answers = {name: answer[:count] for name, answer in self._answers.items()}
        try:
            carried = [onnxruntime.OrtValue.ortvalue_from_numpy(self.pixels[:count])]
            for session, used in zip(self._sessions, self._used, strict=True):
                binding = session.io_binding()
                for spec, value in zip(session.get_inputs(), carried, strict=True):
                    binding.bind_ortvalue_input(spec.name, value)
                for name in used:
                    binding.bind_output(name, self._device)
                for name, answer in {} if used else answers.items():
                    binding.bind_output(name, "cpu", 0, answer.dtype, answer.shape, answer.ctypes.data)
                session.run_with_iobinding(binding)
                carried = binding.get_outputs()
        except Exception as error:  # its exceptions share no base class below Exception
            # After an error of CUDA's, CUDA answers everything in this process with it.
            kind = EngineLost if "CUDA" in str(error) else EngineFailed
            raise kind(f"the engine failed: {first_line(error)}") from None
        return answers


class OnnxRuntimeCuda(Chain):
    """The CUDA provider."""

    def __init__(self, folder: Path, manifest: Manifest, options: EngineOptions, progress: Progress) -> None:
        model = GpuModel(folder, manifest, options, examine_nvidia(), progress)
        super().__init__(model, "cuda", [_CUDA], progress, _allocator())


class OnnxRuntimeTensorRt(Chain):
    """The TensorRT provider; what TensorRT has no operator for is done by the CUDA provider."""

    def __init__(self, folder: Path, manifest: Manifest, options: EngineOptions, progress: Progress) -> None:
        model = GpuModel(folder, manifest, options, examine_nvidia(), progress)
        super().__init__(model, "cuda", [(_TENSORRT, _tensorrt_options(model)), _CUDA], progress, _allocator())


def _allocator() -> Callable[[tuple[int, ...], npt.DTypeLike], Tensor]:
    """Return what makes page-locked arrays, or ordinary ones where cuda-bindings is not installed."""
    try:
        from edge_agent.inference.engines.cuda import Stream
    except ImportError:
        return np.zeros
    return Stream().page_locked


def _with_profile(provider: str, options: dict[str, Any], model: bytes, batch: int) -> dict[str, Any]:
    """Tell the TensorRT provider the sizes of batch beforehand, for which it would otherwise build again and again."""
    if provider != _TENSORRT:
        return options
    import onnx

    graph = onnx.load_model_from_string(model).graph
    weights = {tensor.name for tensor in graph.initializer}
    dims = {value.name: value.type.tensor_type.shape.dim for value in graph.input if value.name not in weights}
    free = {name: shape[1:] for name, shape in dims.items() if shape and not shape[0].HasField("dim_value")}
    if not free:
        return options
    shapes = {
        size: ",".join(
            f"{name}:{'x'.join(map(str, (size, *(d.dim_value for d in rest))))}" for name, rest in free.items()
        )
        for size in (1, batch)
    }
    return options | {
        "trt_profile_min_shapes": shapes[1],
        "trt_profile_opt_shapes": shapes[batch],
        "trt_profile_max_shapes": shapes[batch],
    }


def _tensorrt_options(model: GpuModel) -> dict[str, Any]:
    """Say how the provider is to build; what it may compute in is what the ONNX file says."""
    return {
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(model.engine_folder()),
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": str(model.engine_folder()),
        "trt_fp16_enable": model.precision == "fp16",
        "trt_int8_enable": model.precision == "int8",
    }


def _open(stage: Stage, source: bytes, providers: Sequence[Provider]) -> Any:
    """Make a session, and see that it is executed by the provider that was asked for.

    ONNX Runtime says nothing of its own accord: it runs a model on the processor when a provider can't be loaded.
    """
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level = LOG_FATAL
    wanted = [name for name, _ in providers]
    # Libraries of CUDA that came as Python packages are not where the system's loader looks.
    with contextlib.redirect_stdout(sys.stderr):
        if wanted[0] != "CPUExecutionProvider" and hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
        try:
            session = onnxruntime.InferenceSession(
                source,
                session_options,
                providers=wanted,
                provider_options=[dict(options) for _, options in providers],
                enable_fallback=False,
            )
        except Exception as error:
            raise ComponentError(explain(str(error), f"the {stage}", onnxruntime.__version__)) from None
    if session.get_providers()[0] != wanted[0]:
        raise ComponentError(
            f"ONNX Runtime can't use its {wanted[0]} on this device; its own words for it are in the log"
        )
    return session


def _signature(session: Any) -> Signature:
    return Signature(tuple(map(read_spec, session.get_inputs())), tuple(map(read_spec, session.get_outputs())))


def _fixed(shape: tuple[int | None, ...] | None) -> tuple[int, ...]:
    """Return the dimensions behind the batch, which our own graphs all declare."""
    assert shape is not None
    return tuple(size for size in shape[1:] if size is not None)
