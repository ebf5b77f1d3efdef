"""The backbone's first stages, which masks share with the verdict: they aren't learned, so they need no torch.

ONNX Runtime runs them several times faster; a step of learning takes 0.93 of the time (docs/model-quality-tried.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from edge_agent.building.training import backbone
from edge_agent.building.training.features import F32
from edge_agent.building.training.graph import Graph
from edge_agent.inference.engines.signature import TensorSpec


class FrozenStages:
    """Runs what the network reads of the backbone as it came, as many pictures at once as are given."""

    def __init__(self, names: Sequence[str]) -> None:
        model = backbone.load_backbone()
        graph = Graph()
        graph.take(model.graph.node, model.graph.initializer)
        self._names = sorted(names)
        closed = graph.close(
            [TensorSpec(backbone.INPUT, "float32", (None, 3, None, None))],
            [TensorSpec(name, "float32", (None,) * 4) for name in self._names],
            "frozen",
        )
        options = onnxruntime.SessionOptions()
        # In turn with torch: as many threads as it has, and none that waits for work by spinning meanwhile.
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            closed.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, pictures: F32) -> dict[str, Tensor]:
        """Run prepared pictures [n, 3, h, w]; the sides are multiples of the backbone's stride."""
        found = self._session.run(self._names, {backbone.INPUT: np.ascontiguousarray(pictures)})
        # Depthwise convolutions take half as long with the channels last.
        return {
            name: torch.from_numpy(values).contiguous(memory_format=torch.channels_last)
            for name, values in zip(self._names, found, strict=True)
        }
