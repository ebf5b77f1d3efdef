"""From float32 to float16, where no more is lost than rounding."""

from __future__ import annotations

from collections.abc import Callable

from onnx import ModelProto, TensorProto

from edge_agent.inference.conversion.float32_nodes import float32_nodes
from edge_agent.inference.conversion.onnx_model import element_types, simplify, write_model
from edge_agent.inference.conversion.reference import Reference, compare
from edge_agent.inference.conversion.rounding import with_roundings
from edge_agent.inference.conversion.type_change import change_types
from edge_agent.inference.conversion.value_ranges import largest_magnitudes
from edge_agent.inference.imaging.tensor import Tensor


def is_float16(model: ModelProto) -> bool:
    """Tell whether a model has float16 inside: weights, an input, or a Cast to it.

    Weights that are only kept in float16, to be half as large in the file, and cast to float32 before anything else are
    none: such a model calculates in float32.
    """
    casts = (attribute.i for node in model.graph.node if node.op_type == "Cast" for attribute in node.attribute)
    inputs = (value.type.tensor_type.elem_type for value in model.graph.input)
    calculated_with = {name for node in model.graph.node if node.op_type != "Cast" for name in node.input}
    weights = (tensor.data_type for tensor in model.graph.initializer if tensor.name in calculated_with)
    return TensorProto.FLOAT16 in {*casts, *inputs, *weights}


def to_float16(model: ModelProto, samples: list[Tensor], progress: Callable[[str], None]) -> bytes:
    """Convert a model; inputs and outputs keep their types.

    Args:
        model: a float32 model.
        samples: inputs to try it with; noise is taken when there are none.
        progress: is told what is done, and how far the result is off.

    Raises:
        ComponentError: the model can't be run, or gives what is not a number in float16.
    """
    model = simplify(model)
    reference = Reference(model.SerializeToString())
    samples = samples or [reference.noise(seed, *reference.range) for seed in range(2)]
    progress("float16: looking for values that are too large")
    count = len(model.graph.node)
    kept = float32_nodes(model, largest_magnitudes(model, element_types(model), samples))
    changed = change_types(model, kept)
    data = write_model(model)
    Reference(data)  # it can be loaded
    rounded = Reference(with_roundings(model).SerializeToString())
    progress(f"float16: {changed} of {count} nodes; {compare(reference, rounded, samples)}")
    return data
