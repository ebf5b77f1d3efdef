"""The model.py of Triton's Python backend, which runs it in a process of its own, the stub."""

from __future__ import annotations

import json
import sys
from typing import Any

import triton_python_backend_utils as backend


class TritonPythonModel:
    """The class that the backend looks for: https://github.com/triton-inference-server/python_backend."""

    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"])["parameters"]
        told = {name: value["string_value"] for name, value in parameters.items()}
        sys.path.insert(0, told["checkout"])  # the stub doesn't look at PYTHONPATH
        from benchmarks.peers.work import make_work

        self._work = make_work(told["component"], int(told["threads"]))

    def execute(self, requests: list[Any]) -> list[Any]:
        responses = []
        for request in requests:
            picture = backend.get_input_tensor_by_name(request, "bitmap").as_numpy()
            mask = backend.Tensor("mask", self._work(picture))
            responses.append(backend.InferenceResponse([mask]))
        return responses
