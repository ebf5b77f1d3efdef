"""From fitted parts to one ONNX graph: picture in, score and anomaly map (and, for segmentation, class scores) out."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_agent.building.training import backbone
from edge_agent.building.training.bank import places, worst_count
from edge_agent.building.training.features import (
    AROUND,
    AROUND_SMOOTH,
    CLASS_SCORES,
    COARSELY,
    F32,
    FINER,
    FINEST,
    GRID,
    OWN,
    POOLED,
    SHARP,
    feature_graph,
)
from edge_agent.building.training.graph import Graph
from edge_agent.building.training.half_precision import F16
from edge_agent.building.training.head import Fine, Head, Scale
from edge_agent.building.training.learned import HalfPlaces
from edge_agent.building.training.likeness import ALIKE_PLACES
from edge_agent.building.training.marks import ANOMALY_MAP, JUDGED, MAP_STRIDE, MARKS, SCORE, Plane, add_map, add_marks
from edge_agent.building.training.memory import FINE_WORST, FINEST_SHARE
from edge_agent.building.training.registration_graph import REGISTERED, Search, register
from edge_agent.building.training.usual import Usual

_FINE_DISTANCE = "fine.distance"
#: what a place shows times this, added to half of what another shows, is half of how they differ
_LESS_HALF = np.float32(-0.5)


def assemble(
    head: Head,
    width: int,
    height: int,
    source: Any,
    classes: tuple[int, int, int] | None = None,
    search: Search | None = None,
    *,
    is_marked: bool = False,
    half_source: Any = None,
) -> Any:
    """Write the model.

    Args:
        head: the fitted verdict.
        width: of the input in pixels, as `height`.
        source: an onnx.ModelProto that gives the backbone's stages and, for segmentation, `class_scores`.
        classes: labels, height and width of the class scores.
        search: brings a picture to lie as those did that the verdict was fitted on. The anomaly map is given as the
            picture lies.
        is_marked: what is out of what is normal is marked, too.
        half_source: gives the stages of a picture at half the size, where the verdict looks at both.

    Returns:
        An onnx.ModelProto: picture [1, 3, h, w] -> score [1], anomaly_map [1, 1, h / 4, w / 4] in deviations of
        normal pictures' scores, marks of the same shape, from 1 on, and class_scores [1, labels, h', w'], if there
        are any.
    """
    graph = feature_graph(width, height, register(source, search, width, height) if search else source)
    rows, columns = height // GRID, width // GRID
    plane = Plane(rows, columns, is_registered=search is not None)
    add_map(graph, _add_bank(graph, head), plane)
    if head.fine:
        _add_fine(graph, head.fine, rows, columns, "fine.whole" if head.fine.half else _FINE_DISTANCE)
        if head.fine.half:
            # What is registered is halved: the search would take its time again.
            seen = REGISTERED if search else backbone.INPUT
            half = _add_half(graph, head.fine.half, half_source, seen, width // 2, height // 2)
            _add_joined(graph, "fine.whole", half, rows, columns)
    graph.op("Sum", SCORE, *_add_parts(graph, head, rows, columns))
    of_map = [1, 1, height // MAP_STRIDE, width // MAP_STRIDE]
    outputs = {SCORE: [1], ANOMALY_MAP: of_map}
    if is_marked:
        add_marks(graph, head, plane)
        outputs[MARKS] = of_map
    if classes:
        outputs[CLASS_SCORES] = [1, *classes]
    return graph.model({backbone.INPUT: [1, 3, height, width]}, outputs, "anomaly-model")


def _add_half(graph: Graph, places: HalfPlaces, source: Any, picture: str, width: int, height: int) -> str:
    """Add how unusual each fine place of the picture at half the size is."""
    half, rows, columns = feature_graph(width, height, source), height // GRID, width // GRID
    _add_fine(half, places, rows, columns, _FINE_DISTANCE)
    outputs = {_FINE_DISTANCE: [rows * columns * FINER**2]}
    part = half.model({backbone.INPUT: [1, 3, height, width]}, outputs, "half")
    smaller = graph.op("AveragePool", "picture.half", picture, kernel_shape=[2, 2], strides=[2, 2])
    graph.take_part("half", part, {backbone.INPUT: smaller})
    return f"half.{_FINE_DISTANCE}"


def _add_parts(graph: Graph, head: Head, rows: int, columns: int) -> list[str]:
    """Add each score's part of the whole; the first bank's distances, and those of fine places, are there."""
    count = worst_count(rows * columns)
    beside = _add_beside(graph, head, rows, columns) if head.fine and head.beside else None
    parts = [_add_bank_part(graph, "bank", beside, count, head.bank_scale)]
    where = places(rows, columns, head.placed.weight)
    graph.weight("places", np.column_stack([where, np.ones(len(where), np.float32)]))
    patches = graph.op("Concat", "placed.patches", COARSELY, AROUND_SMOOTH, "places", axis=1)
    _add_distance(graph, "placed", patches, head.placed.bank, head.placed.usual)
    parts.append(_add_bank_part(graph, "placed", beside, count, head.placed.scale))
    if head.fine:
        parts.append(_add_bank_part(graph, "fine", None, FINE_WORST, head.fine.scale))
    if head.regression and head.regression_scale:
        graph.weight("regression.weights", head.regression.weights[:, None])
        graph.weight("regression.bias", np.array([head.regression.bias]))
        product = graph.op("MatMul", "regression.product", POOLED, "regression.weights")
        graph.weight("one", np.array([1], np.int64))
        flat = graph.op("Reshape", "regression.flat", product, "one")
        score = graph.op("Add", "regression.score", flat, "regression.bias")
        parts.append(_add_scale(graph, "regression", score, head.regression_scale))
    if head.likeness and head.likeness_scale:
        graph.weight("likeness.directions", np.pad(head.likeness.directions, [(0, 1), (0, 0)]))
        alike = graph.op("MatMul", "likeness.alike", "bank.whitened", "likeness.directions")
        most = graph.op("ReduceMax", "likeness.most", alike, "axis.last", keepdims=0)
        top = graph.top("likeness.top", most, min(ALIKE_PLACES, rows * columns))
        score = graph.op("ReduceMean", "likeness.score", top, "axis.first", keepdims=1)
        parts.append(_add_scale(graph, "likeness", score, head.likeness_scale))
    return parts


def _add_beside(graph: Graph, head: Head, rows: int, columns: int) -> str:
    """Add what fine places add to the first two banks' coarse ones: a part of the most unusual one in each."""
    fine = graph.reshape("fine.beside.places", _FINE_DISTANCE, rows, FINER, columns, FINER)
    graph.weight("axes.within", np.array([1, 3], np.int64))
    most = graph.op("ReduceMax", "fine.beside.most", fine, "axes.within", keepdims=0)
    part = graph.op("Mul", "fine.beside.part", most, graph.weight("fine.beside.share", np.array(head.beside)))
    return graph.reshape("fine.beside", part, rows * columns)


def _add_bank_part(graph: Graph, name: str, beside: str | None, count: int, scale: Scale) -> str:
    """Add a bank's part of the score, by its worst places, so many of them: how unusual each is, and what is known
    `beside` it."""
    judged = f"{name}.{JUDGED}"
    if beside:
        graph.op("Add", judged, f"{name}.distance", beside)
    else:
        graph.op("Identity", judged, f"{name}.distance")
    graph.weight("axis.first", np.array([0], np.int64))
    worst = graph.top(f"{name}.worst", judged, count)
    mean = graph.op("ReduceMean", f"{name}.worst.mean", worst, "axis.first", keepdims=1)
    return _add_scale(graph, name, mean, scale)


def _add_joined(graph: Graph, whole: str, half: str, rows: int, columns: int) -> None:
    """Add the mean of how unusual fine places are, and those of half the size that they lie in."""
    whole = graph.reshape("fine.whole.places", whole, rows, FINER, columns, FINER)
    joined = graph.op("Add", "fine.joined", whole, graph.reshape("fine.half.places", half, rows, 1, columns, 1))
    mean = graph.op("Div", "fine.mean.places", joined, graph.weight("fine.sizes", np.array(2.0)))
    graph.reshape(_FINE_DISTANCE, mean, rows * columns * FINER**2)


def _add_distance(graph: Graph, name: str, patches: str, bank: F32, usual: Usual) -> str:
    """Add the distance of every patch to its nearest neighbour, |p - b|^2 = |p|^2 + |b|^2 - 2 p b, beyond what is usual
    at its place. Behind a patch's channels is a 1, with which |b|^2 is a part of the product."""
    # Less the square of that 1, which is in |p|^2.
    graph.weight(f"{name}.known", np.vstack([-2 * bank.T, (bank**2).sum(axis=1) - 1]))
    graph.weight("axis.last", np.array([1], np.int64))
    products = graph.op("MatMul", f"{name}.products", patches, f"{name}.known")
    nearest = graph.op("ReduceMin", f"{name}.nearest", products, "axis.last", keepdims=0)
    squares = _add_squares(graph, f"{name}.patches", patches, 1)
    return _add_beyond_usual(graph, name, nearest, squares, usual)


def _add_beyond_usual(graph: Graph, name: str, nearest: str, squares: str, usual: Usual) -> str:
    """Add the distance, |b|^2 - 2 p b of the nearest and |p|^2 being there, beyond what is usual at its place."""
    # Rounding can leave a little less than nothing.
    square = graph.op("Relu", f"{name}.square", graph.op("Add", f"{name}.square.signed", nearest, squares))
    distance = graph.op("Sqrt", f"{name}.from_nearest", square)
    graph.weight(f"{name}.usual", usual.middle)
    graph.weight(f"{name}.usual.spread", usual.spread)
    beyond = graph.op("Sub", f"{name}.beyond", distance, f"{name}.usual")
    return graph.op("Div", f"{name}.distance", beyond, f"{name}.usual.spread")


def _add_fine(graph: Graph, fine: Fine | HalfPlaces, rows: int, columns: int, name: str) -> None:
    """Add how far every fine place is from the nearest good part's at the place, beyond what is usual there: by strides
    8 and 16, and by stride 4."""
    usual = _add_usual(graph, fine, rows, columns)
    view, count = fine.places.view.finest, len(fine.places.finest)
    graph.weight("finest.view", _LESS_HALF * view.matrix)
    graph.weight("finest.bias", _LESS_HALF * view.bias)
    seen = graph.op("Gemm", "finest.seen.rows", FINEST, "finest.view", "finest.bias")
    seen = graph.reshape("finest.seen", seen, count, 1, len(view.bias))
    products = _add_products(graph, "finest", seen, fine.places.finest)
    squares = _add_squares(graph, "finest.seen", seen, 1, 2)
    finest = _add_place_distance(graph, "finest", products, squares, fine.places.finest, fine.usual.finest)
    graph.weight("finest.share", np.array(FINEST_SHARE))
    graph.weight("finest.rest", np.array(1 - FINEST_SHARE))
    parts = (
        graph.op("Mul", "fine.usual.part", usual, "finest.rest"),
        graph.op("Mul", "finest.part", finest, "finest.share"),
    )
    graph.op("Add", name, *parts)


def _add_usual(graph: Graph, fine: Fine | HalfPlaces, rows: int, columns: int) -> str:
    """Add the same by strides 8 and 16.

    The dimensions in which stride 8 has no part are the same for all fine places of a coarse one: they are calculated
    once, and multiplied with what is known of those that lie beside each other.
    """
    view, bank = fine.places.view, fine.places.bank
    (count, _, kept), first = bank.shape, len(view.own)
    rest = len(view.bias) - first
    of_fine, of_coarse = (rows, FINER, columns, FINER), (rows, 1, columns, 1)

    def around(name: str, part: slice) -> str:
        graph.weight(f"{name}.view", _LESS_HALF * view.around[:, part])
        graph.weight(f"{name}.bias", _LESS_HALF * view.bias[part])
        return graph.op("Gemm", name, AROUND, f"{name}.view", f"{name}.bias")

    near = graph.reshape("fine.near.places", around("fine.near", slice(first)), *of_coarse, first)
    own = graph.op("MatMul", "fine.own.seen", OWN, graph.weight("fine.own.view", _LESS_HALF * view.own))
    own = graph.op("Add", "fine.seen.both", graph.reshape("fine.own.places", own, *of_fine, first), near)
    own = graph.reshape("fine.seen", own, count, 1, first)
    far = graph.reshape("fine.far.places", around("fine.far", slice(first, None)), *of_coarse, rest)
    beside = bank[:, first:].reshape(*of_fine, rest, kept).transpose(0, 1, 2, 4, 3, 5)
    beside = beside.reshape(rows, FINER, columns, rest, FINER * kept)
    of_far = _add_products(graph, "fine.far", far, beside)
    products = graph.op(
        "Add",
        "fine.usual.products",
        _add_products(graph, "fine.own", own, bank[:, :first]),
        graph.reshape("fine.far.products.places", of_far, count, 1, kept),
    )
    squares = graph.op(
        "Add",
        "fine.squares.places",
        graph.reshape("fine.own.squares.places", _add_squares(graph, "fine.own", own, 1, 2), *of_fine),
        _add_squares(graph, "fine.far", far, 4),
    )
    squares = graph.reshape("fine.squares", squares, count)
    return _add_place_distance(graph, "fine.usual", products, squares, bank, fine.usual.fine)


def _add_products(graph: Graph, name: str, less_half: str, bank: F16) -> str:
    """Add the product of each place [..., 1, channels] with its part of a bank.

    With a factor of its own it would take half as long again: onnxruntime takes the two together, and then has no fast
    way for a single row.
    """
    graph.weight(f"{name}.bank.f16", np.ascontiguousarray(bank))
    known = graph.cast(f"{name}.bank", f"{name}.bank.f16", "float32")
    return graph.op("MatMul", f"{name}.products", less_half, known)


def _add_place_distance(graph: Graph, name: str, products: str, squares: str, bank: F16, usual: Usual) -> str:
    """Add the distance of every place to the nearest in its part of a bank, beyond what is usual there.

    What it shows is -p/2 in its `products` and `squares`, so that a halved distance needs nothing but sums of them:
    |p/2 - b/2|^2 = |-p/2|^2 + |b/2|^2 + (-p/2) b.
    """
    graph.weight(f"{name}.known", (bank.astype(np.float32) ** 2).sum(axis=1)[:, None, :] / 4)
    graph.weight("axes.each", np.array([1, 2], np.int64))
    signed = graph.op("Add", f"{name}.signed", products, f"{name}.known")
    nearest = graph.op("ReduceMin", f"{name}.nearest", signed, "axes.each", keepdims=0)
    halved = Usual(*(np.asarray(of / 2, np.float32) for of in usual))
    return _add_beyond_usual(graph, name, nearest, squares, halved)


def _add_squares(graph: Graph, name: str, of: str, *axes: int) -> str:
    """Add sums of squares over some axes: onnxruntime takes twice as long for ReduceSumSquare."""
    return graph.reduce_sum(f"{name}.squares", graph.op("Mul", f"{name}.square", of, of), *axes)


def _add_bank(graph: Graph, head: Head) -> str:
    """Add the bank's distances, and how far out each place is by them, in deviations."""
    # Whitened, and a 1 behind it.
    matrix, bias, _ = head.whitening
    graph.weight("whitening", np.pad(matrix, [(0, 0), (0, 1)]))
    graph.weight("whitening.bias", np.append(bias, np.float32(1)))
    whitened = graph.op("Gemm", "bank.whitened", SHARP, "whitening", "whitening.bias")
    distance = _add_distance(graph, "bank", whitened, head.bank, head.bank_usual)
    graph.weight("map.mean", np.array(head.map_spread.mean))
    graph.weight("map.deviation", np.array(head.map_spread.deviation))
    return graph.op("Div", "map.scaled", graph.op("Sub", "map.centred", distance, "map.mean"), "map.deviation")


def _add_scale(graph: Graph, name: str, score: str, scale: Scale) -> str:
    graph.weight(f"{name}.mean", np.array([scale.spread.mean]))
    graph.weight(f"{name}.divisor", np.array([scale.divisor]))
    graph.weight(f"{name}.weight", np.array([scale.weight]))
    centred = graph.op("Sub", f"{name}.centred", score, f"{name}.mean")
    z = graph.op("Asinh", f"{name}.compressed", graph.op("Div", f"{name}.scaled", centred, f"{name}.divisor"))
    return graph.op("Mul", f"{name}.part", z, f"{name}.weight")
