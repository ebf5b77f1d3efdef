"""What float16 really does to a model's answers, found out on a processor.

ONNX Runtime has few operators for float16 on the processor: it calculates the others in float32, and leaves out the
casts that it has put between them, so that nothing is rounded and nothing overflows. It keeps casts that stand in the
file. Here one stands behind each node, which is how a GPU rounds: sums are in float32, what is written to memory is
float16.
"""

from __future__ import annotations

from onnx import ModelProto, TensorProto, helper, numpy_helper

from edge_agent.inference.conversion.onnx_model import drop_unused_weights, element_types, weights_of

_FLOAT, _FLOAT16 = TensorProto.FLOAT, TensorProto.FLOAT16


def with_roundings(model: ModelProto) -> ModelProto:
    """Write a float16 model in float32 with a rounding behind each of its nodes.

    Raises:
        ComponentError: the model's types do not fit each other.
    """
    rounded = ModelProto.FromString(model.SerializeToString())
    graph, types, weights = rounded.graph, element_types(model), weights_of(model)
    nodes = []
    in_float32: dict[str, str] = {}
    for node in graph.node:
        if node.op_type == "Cast":
            nodes.append(node)
            continue
        for n, name in enumerate(node.input):
            if types.get(name) != _FLOAT16:
                continue
            if name not in in_float32:
                in_float32[name] = f"{name}.exactly"
                if name in weights:
                    values = numpy_helper.to_array(weights[name]).astype("float32")
                    graph.initializer.append(numpy_helper.from_array(values, in_float32[name]))
                else:
                    nodes.append(helper.make_node("Cast", [name], [in_float32[name]], to=_FLOAT))
            node.input[n] = in_float32[name]
        nodes.append(node)
        for n, name in enumerate(node.output):
            if types.get(name) == _FLOAT16:
                node.output[n] = f"{name}.unrounded"
                nodes.append(helper.make_node("Cast", [node.output[n]], [name], to=_FLOAT16))
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unused_weights(graph)
    return rounded
