"""How large the values inside a model become on samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, TensorProto, helper

from edge_agent.inference.conversion.onnx_model import weights_of
from edge_agent.inference.conversion.reference import Reference
from edge_agent.inference.imaging.tensor import Tensor


def largest_magnitudes(model: ModelProto, types: Mapping[str, int], samples: list[Tensor]) -> dict[str, float]:
    """Run a model on samples, and give the largest magnitude of each of its float32 values, NaN where one is.

    The maxima are taken inside the graph, so that the values themselves need not be kept.

    Raises:
        ComponentError: the model can't be run on a sample.
    """
    measured = ModelProto.FromString(model.SerializeToString())
    weights = weights_of(model)
    names = [name for name, kind in types.items() if kind == TensorProto.FLOAT and name not in weights]
    del measured.graph.output[:]
    for number, name in enumerate(names):
        magnitude, largest = f"edge_agent.magnitude.{number}", f"edge_agent.largest.{number}"
        measured.graph.node.append(helper.make_node("Abs", [name], [magnitude]))
        measured.graph.node.append(helper.make_node("ReduceMax", [magnitude], [largest], keepdims=0))
        measured.graph.output.append(helper.make_tensor_value_info(largest, TensorProto.FLOAT, []))
    reference = Reference(measured.SerializeToString())
    found = np.array([list(reference.run(sample).values()) for sample in samples], np.float32)
    return dict(zip(names, found.max(axis=0).tolist(), strict=True))
