"""Give a model whose sizes are free the sizes that its manifest says: what runs on a GPU is made for one size."""

from __future__ import annotations

from collections.abc import Sequence

from edge_agent.inference.conversion.onnx_model import read_model, write_model
from edge_agent.inference.conversion.reference import Reference


def fix_sizes(model: bytes, sizes: Sequence[int]) -> bytes:
    """Write an input's sizes into a model, and those that its outputs then have.

    Args:
        model: an ONNX file's content, with one input.
        sizes: of the input, without the batch, which stays as it is.

    Returns:
        The model with the same batch, and every other size of its input and outputs a number.

    Raises:
        ComponentError: it is not an ONNX model, or can't be run on an input of these sizes.
    """
    graph = read_model(model)
    for dim, size in zip(graph.graph.input[0].type.tensor_type.shape.dim[1:], sizes, strict=True):
        dim.dim_value = size
    sized = graph.SerializeToString()
    reference = Reference(sized)
    found = reference.run(reference.noise(0, *reference.range))
    for value in graph.graph.output:
        shape = value.type.tensor_type.shape
        if len(shape.dim) != found[value.name].ndim:  # it is not declared, or wrongly
            del shape.dim[:]
            shape.dim.extend([type(shape).Dimension(dim_value=size) for size in found[value.name].shape])
        for dim, size in zip(shape.dim[1:], found[value.name].shape[1:], strict=True):
            dim.dim_value = size
    return write_model(graph)
