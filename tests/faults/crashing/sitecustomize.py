"""With this folder on PYTHONPATH, the engine of a model called `crashing` dies in native code on a white corner."""

import ctypes
import sys
from typing import Any

if sys.orig_argv[2:4] == ["edge_agent.serving.workers.process", "crashing"]:
    import onnxruntime

    class _Crashing(onnxruntime.InferenceSession):  # type: ignore[misc]
        def run(self, outputs: Any, inputs: dict[str, Any], *rest: Any) -> Any:
            if next(iter(inputs.values())).flat[0] == 1:
                ctypes.string_at(0)
            return super().run(outputs, inputs, *rest)

    onnxruntime.InferenceSession = _Crashing
