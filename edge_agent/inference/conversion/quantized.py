"""Models that carry their quantisation in QuantizeLinear and DequantizeLinear nodes (QDQ): what TensorRT takes of them,
and how one becomes a float32 model again.

TensorRT quantises symmetrically, to signed integers: a zero point other than 0, or uint8, is refused by its parser
(https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/work-quantized-types.html). What
`edge-agent train --precision int8` writes for the processor has both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edge_agent.errors import ComponentError
from edge_agent.inference.conversion.onnx_model import drop_unused_weights, element_types, opset, weights_of
from edge_agent.inference.imaging.tensor import Tensor

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_UNSIGNED = (TensorProto.UINT8, TensorProto.UINT16)
_LIMITS: dict[int, tuple[int, int]] = {
    TensorProto.UINT8: (0, 255), TensorProto.INT8: (-128, 127),
    TensorProto.UINT16: (0, 65535), TensorProto.INT16: (-32768, 32767),
}  # fmt: skip
_LIMITS_AS_INPUTS = 11  # the version of ONNX's operators in which the limits of Clip became inputs


class _Scheme(NamedTuple):
    """value = (integer - zero) * scale, along an axis where these are several."""

    scale: Tensor
    zero: Tensor
    axis: int


def is_quantized(model: ModelProto) -> bool:
    """Tell whether a model has QDQ nodes.

    Raises:
        ComponentError: it is quantised in another form, with operators that calculate with integers.
    """
    other = next((n.op_type for n in model.graph.node if n.op_type.startswith("QLinear") or "Integer" in n.op_type), "")
    if other:
        raise ComponentError(
            f"the model is quantised with the operator {other}, expected QuantizeLinear and DequantizeLinear; export "
            "it in float32, or quantise it in QDQ form"
        )
    return any(node.op_type in (_QUANTIZE, _DEQUANTIZE) for node in model.graph.node)


def is_quantized_for_processors(model: ModelProto) -> bool:
    """Tell whether a model has QDQ nodes that TensorRT refuses, such as edge-agent train makes for processors."""
    return any(node.op_type in (_QUANTIZE, _DEQUANTIZE) for node in model.graph.node) and not is_symmetric(model)


def is_symmetric(model: ModelProto) -> bool:
    """Tell whether TensorRT takes all of a model's QDQ nodes: signed integers, and no zero point but 0."""
    types, weights = element_types(model), weights_of(model)
    for node in model.graph.node:
        if node.op_type in (_QUANTIZE, _DEQUANTIZE):
            kind = types.get(node.output[0] if node.op_type == _QUANTIZE else node.input[0])
            zero = node.input[2] if len(node.input) > 2 else ""
            if kind in (*_UNSIGNED, TensorProto.INT32, None):  # a bias of int32 is refused too
                return False
            if zero and (zero not in weights or np.any(numpy_helper.to_array(weights[zero]).astype(np.float32))):
                return False
    return True


def without_quantization(model: ModelProto) -> None:
    """Make a float32 model of one with QDQ nodes: weights get the values that their integers stand for.

    A pair of nodes becomes the limits that it had, as a Clip: where rounding is left out nothing else is lost, and
    quantisation may have taken the place of a ReLU.

    Raises:
        ComponentError: integers are used by another operator than DequantizeLinear.
    """
    if opset(model) < _LIMITS_AS_INPUTS:
        raise ComponentError(
            f"the model has opset {opset(model)}, expected {_LIMITS_AS_INPUTS} or later; export it anew"
        )
    graph, weights, types = model.graph, weights_of(model), element_types(model)
    made = {name: node for node in graph.node for name in node.output}
    outputs = {value.name for value in graph.output}
    nodes = []
    for node in graph.node:
        if node.op_type == _QUANTIZE:
            if node.output[0] in outputs:
                raise _mixed(node.output[0])
            continue
        if node.op_type != _DEQUANTIZE:
            integers = next((name for name in node.input if name in made and made[name].op_type == _QUANTIZE), "")
            if integers:
                raise _mixed(integers)
            nodes.append(node)
            continue
        source, target = node.input[0], node.output[0]
        scheme = _scheme(node, weights)
        if source in weights and target not in outputs:
            values = _values(numpy_helper.to_array(weights[source]), scheme)
            graph.initializer.append(numpy_helper.from_array(values, target))
        elif source in made and made[source].op_type == _QUANTIZE and types.get(source) in _LIMITS:
            nodes.append(_limits(model, node, made[source].input[0], _LIMITS[types[source]], scheme))
        else:
            raise _mixed(source)
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unused_weights(graph)


def _scheme(node: NodeProto, weights: Mapping[str, TensorProto]) -> _Scheme:
    names = [name for name in node.input[1:] if name]
    if any(name not in weights for name in names):
        raise _mixed(node.input[0])
    scale, *zero = [numpy_helper.to_array(weights[name]).astype(np.float32) for name in names]
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
    if any(attribute.name == "block_size" and attribute.i for attribute in node.attribute):
        raise _mixed(node.input[0])
    return _Scheme(scale, zero[0] if zero else np.zeros_like(scale), axis)


def _values(integers: Tensor, scheme: _Scheme) -> Tensor:
    scale, zero = scheme.scale, scheme.zero
    if scale.size > 1:
        shape = [1] * integers.ndim
        shape[scheme.axis] = scale.size
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    values: Tensor = (integers.astype(np.float32) - zero) * scale
    return values.astype(np.float32).reshape(integers.shape)


def _limits(model: ModelProto, node: NodeProto, source: str, limits: tuple[int, int], scheme: _Scheme) -> NodeProto:
    if scheme.scale.size > 1:
        raise _mixed(source)
    names = []
    for word, limit in zip(("least", "most"), limits, strict=True):
        value = (np.float32(limit) - scheme.zero.reshape(())) * scheme.scale.reshape(())
        names.append(f"{node.output[0]}.{word}")
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), names[-1]))
    return helper.make_node("Clip", [source, *names], list(node.output), name=node.output[0])


def _mixed(name: str) -> ComponentError:
    return ComponentError(
        f"the integers '{name}' are used otherwise than by QuantizeLinear and DequantizeLinear with constant scales; "
        "export the model in float32"
    )
