"""What is said when ONNX Runtime can't load a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.errors import ComponentError, EdgeAgentError, OutOfMemory
from edge_agent.inference.engines.onnxruntime_cpu import OnnxRuntimeCpu


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception during initialization: std::bad_alloc", OutOfMemory),
        ("bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 4718592", OutOfMemory),
        ("[ONNXRuntimeError] : 10 : INVALID_GRAPH : NoSuchOperator is not a registered function", ComponentError),
    ],
)
def test_a_device_without_memory_is_no_fault_of_the_component(
    said: str, error: type[EdgeAgentError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is loaded again later: see serving/lifecycle/failure.py."""

    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr("onnxruntime.InferenceSession", fail)
    with pytest.raises(error, match=r"model\.onnx"):
        OnnxRuntimeCpu(Path("model.onnx"), 1)
