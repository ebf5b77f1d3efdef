"""Which nodes calculate where a model looks: the positions that GridSample takes.

A position goes from -1 to 1 across a picture. In float16 it is off by up to half a thousandth, which is a good tenth of
a pixel, and an angle or a sum that it is made of makes that half a pixel and more. Where a picture is turned to lie as
the others, all that is behind sees it blurred or moved by that, and a row of places at its border that are seen or not.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto, helper

from edge_agent.inference.conversion.onnx_model import captured, weights_of

_CONVOLUTIONS = {"Attention", "Conv", "ConvTranspose", "DeformConv", "GRU", "LSTM", "RNN"}
_PRODUCTS = {"Gemm", "MatMul"}
#: what compares positions, with the picture's border for instance
_COMPARES = {
    "Abs", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Neg", "ReduceMax", "ReduceMin",
}  # fmt: skip
_FEW = 16  # values that a product with weights gives for each row, where it belongs to a position and not to a network


def position_nodes(model: ModelProto) -> set[int]:
    """Find the nodes that calculate what GridSample takes as positions, or compare these.

    Followed back to the picture, or to a network that tells them from it: to its last convolution, or its last product
    with weights. A convolution of the picture itself, or of what is no network's, compares it with something: it
    belongs to a position.

    Args:
        model: its nodes are in order, as ONNX wants it.

    Returns:
        Positions in model.graph.node.
    """
    nodes = model.graph.node
    made = {name: number for number, node in enumerate(nodes) for name in node.output if name}
    behind_convolutions = _behind_convolutions(model)
    columns = {name: tuple(tensor.dims) for name, tensor in weights_of(model).items()}

    def is_network(number: int) -> bool:
        node = nodes[number]
        if node.op_type in _CONVOLUTIONS:
            return number in behind_convolutions
        return node.op_type in _PRODUCTS and _width(node, columns) > _FEW

    found: set[int] = set()
    left = [name for node in nodes if node.op_type == "GridSample" for name in node.input[1:]]
    while left:
        number = made.get(left.pop())
        if number is None or number in found or is_network(number):
            continue
        found.add(number)
        left += [*nodes[number].input, *captured(nodes[number])]
    positions = {name for number in found for name in nodes[number].output}
    for number, node in enumerate(nodes):
        if node.op_type in _COMPARES and positions & {*node.input} and {*node.input} <= positions | {*columns}:
            found.add(number)
            positions |= {*node.output}
    return found


def _behind_convolutions(model: ModelProto) -> set[int]:
    """Find the nodes that see what a convolution gives."""
    found: set[int] = set()
    given: set[str] = set()
    for number, node in enumerate(model.graph.node):
        is_behind = bool(given & {*node.input, *captured(node)})
        if is_behind:
            found.add(number)
        if is_behind or node.op_type in _CONVOLUTIONS:
            given |= {*node.output}
    return found


def _width(node: NodeProto, weights: dict[str, tuple[int, ...]]) -> int:
    """Say how many values a product with weights gives for each row, 0 where it is one of two values."""
    dims = weights.get(node.input[1])
    if not dims:
        return 0
    is_turned = any(
        attribute.name == "transB" and helper.get_attribute_value(attribute) for attribute in node.attribute
    )
    return int(dims[0] if is_turned else dims[-1])
