"""From bitmaps to the input tensor as one ONNX graph: what imaging/resize.py and imaging/tensor.py do on a processor.

The graph answers within one grey level of them, and exactly for pictures that have the input's size, for `nearest`, and
for `area` by whole factors of up to 256 by 256. Over thousands of random sizes, with pictures of noise, one level was
the worst. It was met in 0.02 % of the values for `area` and in 0.2 % for `bicubic`, where a sum lies next to a half,
and in 10 % for `bilinear` and for `area` that enlarges, which OpenCV calculates in eleven bits, cutting off the rest.

Only operators and types are used that TensorRT's ONNX parser takes
(https://github.com/onnx/onnx-tensorrt/blob/main/docs/operators.md): uint8 stands only at the graph's edges, and there
is no product of matrices, which a GPU may round to the ten bits of TF32. The graph's arithmetic is that of float32; a
runtime must not be told to calculate it with less.
"""

from __future__ import annotations

import numpy as np

from edge_agent.component.manifest import Image, Input
from edge_agent.inference.engines.onnx_graph import Graph
from edge_agent.inference.engines.signature import TensorSpec
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import Filter
from edge_agent.inference.imaging.tensor import scaling
from edge_agent.inference.stages.filters import windows

#: the graph's input and output
PIXELS, TENSOR = "pixels", "tensor"


def preparation_graph(image: Image, spec: Input) -> bytes:
    """Write the graph for pictures of one size.

    Args:
        image: the size.
        spec: what the model takes.

    Returns:
        A serialized ONNX model: `pixels` uint8 ["batch", height, width, 3] becomes `tensor` of the input's type,
        ["batch", 3, height, width] or ["batch", height, width, 3] as its layout says.
    """
    graph = Graph()
    values = _add_resize(graph, graph.cast("levels", PIXELS, "float32"), image, spec)
    if spec.dtype != "uint8":  # which takes the pixels as they are
        values = _add_scaling(graph, values, spec)
    shape: tuple[int | None, ...] = (None, spec.height, spec.width, CHANNELS)
    if spec.layout == "NCHW":
        shape = (None, CHANNELS, spec.height, spec.width)
        values = graph.op("Transpose", "planes", values, perm=[0, 3, 1, 2])
    graph.cast(TENSOR, values, spec.dtype)
    pixels = TensorSpec(PIXELS, "uint8", (None, image.height, image.width, CHANNELS))
    model = graph.close([pixels], [TensorSpec(TENSOR, spec.dtype, shape)], "preparation")
    return bytes(model.SerializeToString())


def _add_scaling(graph: Graph, values: str, spec: Input) -> str:
    constants = scaling(spec)
    for kind, constant in (("Sub", constants.subtract), ("Mul", constants.factor), ("Add", constants.add)):
        if kind != "Add" or constant.any():
            name = f"scaled.{kind.lower()}"
            values = graph.op(kind, name, values, graph.weight(f"{name}.constant", constant))
    return values


def _add_resize(graph: Graph, values: str, image: Image, spec: Input) -> str:
    """Add what makes whole grey levels [batch, spec.height, spec.width, 3], as float32."""
    if (image.height, image.width) == (spec.height, spec.width):
        return values
    enlarges = spec.height > image.height or spec.width > image.width
    rows = _Side("rows", 1, (image.height, spec.height), spec.resize, enlarges)
    columns = _Side("columns", 2, (image.width, spec.width), spec.resize, enlarges)
    size = [image.height, image.width]
    for side in (rows, columns) if _reads(rows, columns) <= _reads(columns, rows) else (columns, rows):
        values = side.add_to(graph, values, size)
    factor = rows.factor * columns.factor
    if factor > 1:
        # One product for both sides, as OpenCV has it: sums up to 2^24 are exact, and so is what becomes of them.
        share = graph.weight("share", np.float32(1) / np.float32(factor))
        values = graph.op("Mul", "means", values, share)
    if spec.resize == "nearest":
        return values
    if spec.resize == "bicubic":
        values = graph.op("Clip", "clipped", values, graph.weight("black", 0.0), graph.weight("white", 255.0))
    # OpenCV's halves go up where it calculates with whole numbers: bilinear, and area by 2 in both directions.
    if spec.resize == "bilinear" or enlarges or (rows.factor, columns.factor) == (2, 2):
        return graph.op("Floor", "rounded", graph.op("Add", "above", values, graph.weight("half", 0.5)))
    return graph.op("Round", "rounded", values)


class _Side:
    """What happens along the rows (axis 1) or the columns (axis 2) of [batch, height, width, 3]."""

    def __init__(self, name: str, axis: int, sizes: tuple[int, int], kind: Filter, enlarges: bool) -> None:
        self._name, self._axis = name, axis
        self.source, self.target = sizes
        whole = kind == "area" and not enlarges and self.source % self.target == 0
        #: how many pixels are summed to one, without weights; 1: none
        self.factor = self.source // self.target if whole else 1
        self._windows = windows(kind, self.source, self.target, enlarges=enlarges)
        #: pixels that are read for a line of the target
        self.reads = self._windows.indices.size

    def add_to(self, graph: Graph, values: str, size: list[int]) -> str:
        """Add the filter, or nothing where the size stays; `size` is the height and width so far and is changed."""
        if self.source == self.target:
            return values
        before = [size[0], size[1], CHANNELS]
        size[self._axis - 1] = self.target
        indices, weights = self._windows
        if self.factor > 1:
            before[self._axis - 1 : self._axis] = [self.target, self.factor]
            groups = graph.reshape(f"{self._name}.groups", values, 0, *before)
            return graph.reduce_sum(self._name, groups, self._axis + 1)
        if indices.shape[1] == 1:
            return graph.gather(self._name, values, indices[:, 0], self._axis)
        taken = graph.gather(f"{self._name}.taken", values, indices, self._axis)
        shape = (*weights.shape, *(1,) * (3 - self._axis))  # of all axes from this one on
        constant = graph.weight(f"{self._name}.weights", weights.reshape(shape))
        weighted = graph.op("Mul", f"{self._name}.weighted", taken, constant)
        return graph.reduce_sum(self._name, weighted, self._axis + 1)


def _reads(first: _Side, second: _Side) -> int:
    """Count the pixels that are read when one side is filtered before the other."""
    return first.reads * second.source + first.target * second.reads
