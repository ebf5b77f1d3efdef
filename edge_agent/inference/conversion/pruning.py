"""Leaving out of an ONNX model the outputs that nobody takes, and what only they need.

An engine would have to know their operators and types all the same, and would calculate them for every picture.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import onnx
from onnx import ModelProto

from edge_agent.inference.conversion.onnx_model import captured, drop_unused_weights


def only_outputs(data: bytes, names: Collection[str]) -> bytes:
    """Leave out of an ONNX file's content all outputs but these."""
    model = onnx.load_model_from_string(data)
    keep_outputs(model, names)
    return model.SerializeToString()


def keep_outputs(model: ModelProto, names: Collection[str]) -> None:
    """Leave out all outputs but these, and the nodes and weights that only the others need."""
    graph = model.graph
    kept = [value for value in graph.output if value.name in names]
    del graph.output[:]
    graph.output.extend(kept)
    prune(model)


def prune(model: ModelProto) -> None:
    """Leave out what no output needs."""
    graph = model.graph
    needed = {value.name for value in graph.output}
    nodes = []
    for node in reversed(graph.node):  # every node stands behind those that it reads of
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(name for name in (*node.input, *captured(node)) if name)
    if len(nodes) < len(graph.node):
        nodes.reverse()
        del graph.node[:]
        graph.node.extend(nodes)
        _keep(graph.value_info, needed | {name for node in nodes for name in node.output})
    drop_unused_weights(graph)


def _keep(values: Any, names: Collection[str]) -> None:
    kept = [value for value in values if value.name in names]
    del values[:]
    values.extend(kept)
