"""Which nodes of a model lose too much in float16, or overflow there, and have to stay in float32.

float16 has 11 bits of precision, and reaches from 6e-8 (with full precision from 6.1e-5) to 65504.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper

from edge_agent.inference.conversion.onnx_model import captured, weights_of
from edge_agent.inference.conversion.positions import position_nodes
from edge_agent.inference.imaging.tensor import Tensor

LARGEST = 65504.0
_SMALLEST_NORMAL = 2.0**-14
#: what is almost too large or too small on samples may be so on another picture
_MARGIN = 16.0
#: sums over many values, functions that make of a small error of their input a large one of their output, positions
_SENSITIVE = {
    "BatchNormalization", "Cos", "CumSum", "Exp", "GlobalAveragePool", "GlobalLpPool", "GridSample",
    "GroupNormalization", "InstanceNormalization", "LayerNormalization", "Log", "LogSoftmax", "LpNormalization",
    "MeanVarianceNormalization", "Pow", "RMSNormalization", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceMean", "ReduceProd", "ReduceSum", "ReduceSumSquare", "RoiAlign", "Sin", "Sqrt",
}  # fmt: skip
#: where a model's time goes
_PRODUCTS = {"Gemm", "MatMul", "Einsum"}
_HEAVY = _PRODUCTS | {"Attention", "Conv", "ConvTranspose", "DeformConv", "GRU", "LSTM", "RNN"}


def float32_nodes(model: ModelProto, largest: Mapping[str, float]) -> set[int]:
    """Choose the nodes that stay in float32.

    Args:
        model: its nodes are in order, as ONNX wants it.
        largest: for each float32 value of the graph, the largest magnitude that samples have.

    Returns:
        Positions in model.graph.node.
    """
    nodes = model.graph.node
    unfit = {name for name, value in largest.items() if not _fits(value)}
    unfit |= {name for node in nodes for name in captured(node)}  # these graphs stay as they are
    weights = {name: tensor for name, tensor in weights_of(model).items() if tensor.data_type == TensorProto.FLOAT}
    too_large_weights = {name for name, tensor in weights.items() if _sizes(tensor).max(initial=0) > LARGEST}
    too_small = {name for name, tensor in weights.items() if _sizes(tensor).size and _is_small(tensor)}
    kept = _verdict(model) | position_nodes(model)
    for number, node in enumerate(nodes):
        divides = node.op_type == "Div" and node.input[1] not in weights  # by what may be next to nothing
        # That an upper limit is cut to 65504 changes nothing.
        exact = node.input[:1] if node.op_type == "Clip" else node.input
        if (
            node.op_type in _SENSITIVE
            or divides
            or unfit & {*node.input, *node.output}
            or too_large_weights & {*exact}
            or too_small & {*node.input}
        ):
            kept.add(number)
    return kept


def _verdict(model: ModelProto) -> set[int]:
    """Find the nodes behind the convolutions, which make scores and maps of features.

    The last matrix products belong to them: they are small, or they are distances, differences of large numbers.
    """
    readers: dict[str, list[int]] = {}
    for number, node in enumerate(model.graph.node):
        for name in {*node.input, *captured(node)}:
            readers.setdefault(name, []).append(number)
    products: dict[int, int | None] = {}  # on the way to an output; None: there is more than the last ones
    for number, node in reversed(list(enumerate(model.graph.node))):
        behind = [products.get(reader) for name in node.output for reader in readers.get(name, [])]
        most = None if None in behind else max((count for count in behind if count is not None), default=0)
        if node.op_type in _PRODUCTS and most == 0:
            products[number] = 1
        else:
            products[number] = None if node.op_type in _HEAVY else most
    return {number for number, count in products.items() if count is not None}


def _fits(largest: float) -> bool:
    """Tell whether values of this magnitude, and those around it, are in float16's range; not so for NaN."""
    return largest == 0 or _SMALLEST_NORMAL * _MARGIN < largest < LARGEST / _MARGIN


def _sizes(tensor: TensorProto) -> Tensor:
    """Return the magnitudes of the weights that are neither 0 nor infinite."""
    sizes: Tensor = np.abs(numpy_helper.to_array(tensor))
    return sizes[(sizes > 0) & np.isfinite(sizes)]


def _is_small(tensor: TensorProto) -> bool:
    """Tell whether most weights lose precision because they are so small, as what guards a division does."""
    return bool(np.median(_sizes(tensor)) < _SMALLEST_NORMAL)
