"""Where a picture is out of what is normal: the anomaly map, and what is marked of it, as nodes of an ONNX graph.

What is marked is far out among good parts' furthest places, so that a good part has no marks. A verdict knows more than
the map: it has other banks, and adds up what is a little unusual. A picture that is called anomalous and has no place
so far out is marked where most of its score comes from that comes from places.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge_agent.building.training.features import FINER, GRID
from edge_agent.building.training.graph import Graph
from edge_agent.building.training.head import Head
from edge_agent.building.training.registration_graph import POSE, add_inverse, add_warp

SCORE, ANOMALY_MAP, MARKS = "score", "anomaly_map", "marks"
JUDGED = "judged"  # of each bank: what of its places its score is made of
#: the anomaly map is given at 1 / MAP_STRIDE of the input's width and height, between the patches bilinearly
MAP_STRIDE = 4
_MARKED_SHARE = 0.5  # of the worst place's distance
_MARKED_PART = 0.7  # of what the place gives to the score that gives most, where no place is far out
_LEAST_PART = 1e-3  # of a score that is anything


class Plane(NamedTuple):
    """Rows and columns of the network's places, and whether they are those of a registered picture."""

    rows: int
    columns: int
    is_registered: bool


def add_map(graph: Graph, found: str, plane: Plane) -> None:
    """Add the anomaly map, where a picture was registered as it lay before: 0 is usual, and so is what is not seen."""
    patches = graph.reshape("map.patches", found, 1, 1, plane.rows, plane.columns)
    _add_as_it_lies(graph, ANOMALY_MAP, graph.enlarge("map.laid", patches, GRID // MAP_STRIDE), plane)


def add_marks(graph: Graph, head: Head, plane: Plane) -> None:
    """Add what is 1 and more where a picture is out of what is normal and at least half as far out as its worst place.

    The second condition keeps the marks tight: a feature sees some way around its place. Where no place is so far out,
    though the verdict is anomalous, it is the places that give most to the score.
    """
    graph.weight("axes.all", np.array([0, 1, 2, 3], np.int64))
    most = graph.op("ReduceMax", "marks.most", ANOMALY_MAP, "axes.all", keepdims=0)
    least = graph.weight("marks.least", np.array(head.map_threshold))
    shared = graph.op("Mul", "marks.shared", most, graph.weight("marks.share", np.array(_MARKED_SHARE)))
    far_out = graph.op("Div", "marks.far_out", ANOMALY_MAP, graph.op("Max", "marks.limit", shared, least))
    is_called = graph.op(
        "GreaterOrEqual", "marks.is_called", SCORE, graph.weight("marks.threshold", np.array([head.least_anomalous]))
    )
    is_bare = graph.op("And", "marks.is_bare", is_called, graph.op("Less", "marks.is_near", most, least))
    graph.op("Where", MARKS, is_bare, _add_given(graph, head, plane), far_out)


def _add_given(graph: Graph, head: Head, plane: Plane) -> str:
    """Add what is 1 and more where a place gives nearly as much to the score as the one that gives most.

    Only the banks' parts of a score have places. Where other parts decide, and no place gives anything, it is how much
    more each gives than the picture's places on average.
    """
    banks = ("bank", "placed", "fine") if head.fine else ("bank", "placed")
    parts = [_add_part(graph, name) for name in banks]
    mosts = [
        graph.op("ReduceMax", f"{name}.places.most", part, keepdims=0) for name, part in zip(banks, parts, strict=True)
    ]
    least_part = graph.weight("marks.given.least", np.array(_LEAST_PART))
    is_some = graph.op("Greater", "marks.given.is_some", graph.op("Max", "marks.given.parts", *mosts), least_part)
    graph.weight("marks.given.nothing", np.array(0.0))
    coarse = _add_parts(graph, ("bank", "placed"), (plane.rows, plane.columns), is_some)
    factor = GRID // MAP_STRIDE
    if head.fine:
        fine = _add_parts(graph, ("fine",), (plane.rows * FINER, plane.columns * FINER), is_some)
        coarse = graph.op("Add", "marks.given.all", graph.enlarge("marks.given.coarse", coarse, FINER), fine)
        factor //= FINER
    graph.enlarge("marks.given.laid", coarse, factor)
    _add_as_it_lies(graph, "marks.given", "marks.given.laid", plane)
    most = graph.op("ReduceMax", "marks.given.most", "marks.given", "axes.all", keepdims=0)
    some = graph.op("Max", "marks.given.some", most, least_part)
    limit = graph.op("Mul", "marks.given.limit", some, graph.weight("marks.given.share", np.array(_MARKED_PART)))
    return graph.op("Div", "marks.given.shares", "marks.given", limit)


def _add_part(graph: Graph, name: str) -> str:
    """Add what each place gives to a bank's part of the score, made as that is."""
    centred = graph.op("Sub", f"{name}.places.centred", f"{name}.{JUDGED}", f"{name}.mean")
    z = graph.op("Asinh", f"{name}.places.z", graph.op("Div", f"{name}.places.scaled", centred, f"{name}.divisor"))
    return graph.op("Mul", f"{name}.places.part", z, f"{name}.weight")


def _add_parts(graph: Graph, banks: tuple[str, ...], shape: tuple[int, int], is_some: str) -> str:
    """Add what places give to banks, beyond 0 if `is_some`, else beyond each bank's mean: [1, 1, rows, columns]."""
    given = []
    for name in banks:
        mean = graph.op("ReduceMean", f"{name}.places.mean", f"{name}.places.part", keepdims=0)
        usual = graph.op("Where", f"{name}.places.usual", is_some, "marks.given.nothing", mean)
        over = graph.op("Sub", f"{name}.places.over", f"{name}.places.part", usual)
        given.append(graph.op("Relu", f"{name}.places.more", over))
    name = f"{banks[0]}.places"
    return graph.reshape(f"{name}.plane", graph.op("Sum", f"{name}.all", *given), 1, 1, *shape)


def _add_as_it_lies(graph: Graph, name: str, of: str, plane: Plane) -> None:
    if not plane.is_registered:
        graph.op("Identity", name, of)
        return
    back = add_inverse(graph, f"{name}.pose", POSE)
    add_warp(graph, name, of, back, plane.columns * GRID // MAP_STRIDE, plane.rows * GRID // MAP_STRIDE)
