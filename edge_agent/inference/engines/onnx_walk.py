"""A walk over the messages of an ONNX file that may hold nodes and weights, without an engine and the package onnx.

Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge_agent.wire import LEN, Bytes, fields

#: kind of message -> number of a field -> kind of what is in it: the ways that lead to a node or a weight
_INSIDE = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 11: "graph"},
}


def nodes_and_weights(model: Bytes) -> Iterator[tuple[str, int, int]]:
    """Give the kind of each message on the way to a node or weight, those too, and where it begins and ends.

    The last of each message's parts comes first. ValueError when the file is no such file.
    """
    left = [("model", 0, len(model))]
    while left:
        kind, start, end = left.pop()
        yield kind, start, end
        inside = _INSIDE.get(kind)
        if inside is not None:  # nothing is looked for in a weight
            left += [
                (inside[number], value, stop)
                for number, wire, value, _, stop in fields(model, start, end)
                if wire == LEN and number in inside
            ]
