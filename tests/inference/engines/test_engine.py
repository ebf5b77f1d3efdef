"""Why the processor's engine can't be loaded: its package is missing, or there is no memory for it at the moment."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_agent.errors import ComponentError, LoadingFailed
from edge_agent.inference.engines.engine import load_on_processor


@pytest.mark.parametrize(
    ("missing", "error", "said"),
    [
        ("onnxruntime", ComponentError, "needs the Python module 'onnxruntime'; install edge-agent with its extra"),
        # What it says when its library can't be mapped.
        (
            "onnxruntime_pybind11_state",
            LoadingFailed,
            r"^onnxruntime \S+ can't be loaded on this device, .*: No module named",
        ),
    ],
)
def test_a_library_that_is_there_may_be_loaded_later(
    monkeypatch: pytest.MonkeyPatch, missing: str, error: type[Exception], said: str
) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any) -> Any:
        if name == "edge_agent.inference.engines.onnxruntime_cpu":
            raise ModuleNotFoundError(f"No module named '{missing}'", name=missing)
        return real(name, *arguments)

    monkeypatch.delitem(sys.modules, "edge_agent.inference.engines.onnxruntime_cpu", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(error, match=said):
        load_on_processor(Path("model.onnx"))
