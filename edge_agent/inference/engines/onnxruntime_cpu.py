"""ONNX Runtime on the processor: https://onnxruntime.ai/docs/api/python/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from edge_agent.errors import ComponentError, EngineFailed, OutOfMemory
from edge_agent.hardware.cpu_quota import threads_within_quota
from edge_agent.inference.engines.onnx_int8 import has_wide_int8, multiplies_exactly
from edge_agent.inference.engines.refusals import explain
from edge_agent.inference.engines.signature import Signature, TensorSpec
from edge_agent.inference.imaging.tensor import Tensor

_DTYPES = {"float": "float32", "double": "float64"}  # ONNX Runtime's words for what ONNX and numpy call otherwise
_KINDS = {"seq": "sequence", "map": "map", "optional": "optional", "sparse_tensor": "sparse_tensor"}

LOG_FATAL = 4  # a failing call is told to its caller; ONNX Runtime's own lines would only repeat it


class OnnxRuntimeCpu:
    """An ONNX file in an ONNX Runtime session."""

    def __init__(self, path: Path, threads: int) -> None:
        session_options = onnxruntime.SessionOptions()
        session_options.log_severity_level = LOG_FATAL
        session_options.intra_op_num_threads = threads or threads_within_quota()
        # A thread that waits for the others' share of a layer must sleep, not spin: the core that it holds is what
        # they, another model, or the client need. docs/performance-tried.md has the figures.
        session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not multiplies_exactly() and has_wide_int8(path):
            session_options.add_session_config_entry("session.x64quantprecision", "1")
        # Fixed shapes: the arena takes what the first call needs instead of doubling.
        arena = {"CPUExecutionProvider": {"arena_extend_strategy": "kSameAsRequested"}}
        try:
            self._session = onnxruntime.InferenceSession(
                str(path),
                session_options,
                providers=["CPUExecutionProvider"],
                provider_options=[arena["CPUExecutionProvider"]],
            )
        except Exception as error:  # its exceptions share no base class below Exception
            if "bad_alloc" in str(error) or "Failed to allocate memory" in str(error):
                raise OutOfMemory(f"ONNX Runtime has too little memory to load {path.name}") from None
            raise ComponentError(explain(str(error), path.name, onnxruntime.__version__)) from None
        self.signature = Signature(
            tuple(read_spec(value) for value in self._session.get_inputs()),
            tuple(read_spec(value) for value in self._session.get_outputs()),
        )

    def run(self, name: str, tensor: Tensor, outputs: list[str]) -> list[Tensor]:
        try:
            results: list[Tensor] = self._session.run(outputs, {name: tensor})
        except Exception as error:
            raise EngineFailed(f"the engine failed: {first_line(error)}") from None
        return results


def read_spec(value: Any) -> TensorSpec:
    word = str(value.type).removeprefix("tensor(").removesuffix(")")
    if not str(value.type).startswith("tensor("):  # seq(…), map(…), optional(…), sparse_tensor(…)
        return TensorSpec(value.name, _KINDS.get(word.partition("(")[0], "unknown"), None)
    shape = tuple(size if isinstance(size, int) else None for size in value.shape)
    return TensorSpec(value.name, _DTYPES.get(word, word), shape)


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
