"""From a model's outputs to score, mask and areas as one ONNX graph: what inference/host.py and imaging/mask.py do.

The score stays raw: calibration and threshold are the caller's, as is the refusal of a score that is not a number and,
by `verdict_range`, of class ids that have no label. The mask is the processor's, pixel for pixel, and the areas are
counts of pixels: whole numbers up to 4096 * 4096 = 2^24, which float32 holds exactly, as it does every partial sum.

What is not a number (NaN) is background in an anomaly map and between two labels, as on the processor. Among three or
more labels the first NaN of a pixel wins on the processor, here the first that is NaN or infinite. A float64 output is
taken as float32, which is what TensorRT does anyway.

As in preparation.py only operators and types are used that TensorRT's ONNX parser takes, and no product of matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_agent.component.manifest import Manifest, MaskOutput
from edge_agent.errors import ComponentError
from edge_agent.inference.engines.onnx_graph import TYPES, Graph
from edge_agent.inference.engines.signature import TensorSpec, check_outputs, shown
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.mask import shown_by

#: the graph's outputs
SCORE, MASK, COUNTS, RANGE = "verdict_score", "verdict_mask", "verdict_counts", "verdict_range"

_OWN = "verdict_"  # begins every name that is made here


def input_name(output: str) -> str:
    """Return the name under which an output of the model enters the graph: its own, unless ours might be the same."""
    return f"model.{output}" if _OWN in output else output


def conclusion_graph(manifest: Manifest, outputs: Sequence[TensorSpec]) -> bytes:
    """Write the graph for one model.

    Args:
        manifest: of the model.
        outputs: the model's, at least those that the manifest names. The first dimension is the batch's, 1 or free;
            a score without dimensions, or whose first is another number, is that of one picture.

    Returns:
        A serialized ONNX model. Its inputs are the score and, for segmentation, the mask, called as input_name() says.
        Its outputs, in which a batch of 1 stays 1:
        `verdict_score` float32 ["batch"], raw;
        and for segmentation
        `verdict_mask` uint8 ["batch", height, width, 3], RGB888 of the picture's size;
        `verdict_counts` float32 ["batch", labels], the mask's pixels of each label;
        `verdict_range` float32 ["batch", 2], the least and the greatest id, for `class_ids` only. Ids out of the
        labels' range are painted as the nearest label's: the caller must refuse them.

    Raises:
        ComponentError: an output is missing or is not what the manifest says, or a size that has to be known is free.
    """
    check_outputs(outputs, manifest)
    found = {spec.name: spec for spec in outputs}
    score, mask = manifest.outputs.score, manifest.outputs.mask
    used = {name: found[name] for name in manifest.outputs.names}
    for spec in used.values():
        if spec.dtype not in TYPES or spec.shape is None:
            raise ComponentError(
                f"{manifest.model}: output '{spec.name}' is {spec.dtype} {shown(spec.shape)}, expected one of "
                f"{', '.join(TYPES)} and a declared shape"
            )
    graph = Graph()
    made = [_add_score(graph, manifest, used[score.name])]
    if mask:
        made += _add_mask(graph, manifest, mask, used[mask.name])
    inputs = [spec._replace(name=input_name(spec.name)) for spec in used.values()]
    return bytes(graph.close(inputs, made, "conclusion").SerializeToString())


def _add_score(graph: Graph, manifest: Manifest, spec: TensorSpec) -> TensorSpec:
    """Add the value that the manifest names of each picture's, in the order in which they lie in memory."""
    shape, index = spec.shape or (), manifest.outputs.score.index
    has_batch = bool(shape) and shape[0] in (1, None)
    batch = shape[0] if has_batch else 1
    sizes = shape[1:] if has_batch else shape
    count = math.prod(size for size in sizes if size is not None)
    if None not in sizes and index >= count:
        raise ComponentError(
            f"{manifest.model}: output '{spec.name}' is {shown(shape)}, {count} for each picture, and the manifest "
            f"takes number {index}"
        )
    flat = graph.reshape(f"{SCORE}.flat", input_name(spec.name), batch or 0, -1)  # 0 keeps the batch's size
    graph.cast(SCORE, graph.gather(f"{SCORE}.raw", flat, index, 1), "float32")
    return TensorSpec(SCORE, "float32", (batch,))


def _add_mask(graph: Graph, manifest: Manifest, mask: MaskOutput, spec: TensorSpec) -> list[TensorSpec]:
    batch, *declared = spec.shape or ()
    sizes = [size for size in declared if size is not None]
    if len(sizes) < len(declared):
        raise ComponentError(
            f"{manifest.model}: output '{spec.name}' is {shown(spec.shape)}, expected every size but the batch's to be "
            "declared for a mask that is made on the GPU"
        )
    height, width = sizes[-2:]
    values = graph.cast(f"{MASK}.values", input_name(spec.name), "float32")
    if mask.kind != "class_scores":
        values = graph.reshape(f"{MASK}.plane", values, 0, height, width)
    made = [
        TensorSpec(MASK, "uint8", (batch, manifest.image.height, manifest.image.width, CHANNELS)),
        TensorSpec(COUNTS, "float32", (batch, len(manifest.labels))),
    ]
    if mask.kind == "class_ids":
        made.append(TensorSpec(RANGE, "float32", (batch, 2)))
        _add_range(graph, values)
    classes = _add_classes(graph, mask, len(manifest.labels), values, spec.dtype)
    _add_painting(graph, manifest, classes, height, width)
    _add_counts(graph, manifest, classes, height, width)
    return made


def _add_range(graph: Graph, ids: str) -> None:
    least = graph.op("ReduceMin", f"{RANGE}.least", ids, axes=[1, 2], keepdims=0)
    greatest = graph.op("ReduceMax", f"{RANGE}.greatest", ids, axes=[1, 2], keepdims=0)
    ends = [graph.reshape(f"{end}.column", end, 0, 1) for end in (least, greatest)]
    graph.op("Concat", RANGE, *ends, axis=1)


def _add_classes(graph: Graph, mask: MaskOutput, labels: int, values: str, dtype: str) -> str:
    """Add the map of classes as float32 [batch, h, w], each a label's number."""
    name = f"{MASK}.classes"
    if mask.kind == "class_ids":
        ends = [graph.weight(f"{name}.first", 0.0), graph.weight(f"{name}.last", labels - 1.0)]
        return graph.op("Clip", name, values, *ends)
    if mask.kind == "anomaly_map":
        # numpy compares in the map's own type, so the threshold is rounded to it.
        own = np.float16 if dtype == "float16" else np.float32
        threshold = graph.weight(f"{name}.threshold", own(mask.pixel_threshold).astype(np.float32))
        winners = graph.op("GreaterOrEqual", f"{name}.winners", values, threshold)
    elif labels == 2:  # a comparison, in which the first wins on a tie and against NaN
        second, first = (graph.gather(f"{name}.{label}", values, label, 1) for label in (1, 0))
        winners = graph.op("Greater", f"{name}.winners", second, first)
    else:
        unknown = graph.op("IsNaN", f"{name}.unknown", values)
        infinite = graph.weight(f"{name}.infinite", np.float32(np.inf))
        known = graph.op("Where", f"{name}.known", unknown, infinite, values)
        winners = graph.op("ArgMax", f"{name}.winners", known, axis=1, keepdims=0)
    return graph.cast(name, winners, "float32")


def _add_painting(graph: Graph, manifest: Manifest, classes: str, height: int, width: int) -> None:
    """Add the mask: the map is coloured while it is small, then widened, and its rows are repeated last."""
    palette = np.array([list(bytes.fromhex(label.color[1:])) for label in manifest.labels], np.float32)
    numbers = graph.cast(f"{MASK}.numbers", classes, "int32")
    values = graph.op("Gather", f"{MASK}.colors", graph.weight(f"{MASK}.palette", palette), numbers, axis=0)
    if width != manifest.image.width:
        values = graph.gather(f"{MASK}.columns", values, shown_by(width, manifest.image.width), 2)
    if height != manifest.image.height:
        values = graph.gather(f"{MASK}.rows", values, shown_by(height, manifest.image.height), 1)
    graph.cast(MASK, values, "uint8")


def _add_counts(graph: Graph, manifest: Manifest, classes: str, height: int, width: int) -> None:
    """Add the mask's pixels of each label: each of the map counts as often as its row and its column repeat."""
    numbers = np.arange(len(manifest.labels), dtype=np.float32)[:, None, None]
    layer = graph.reshape(f"{COUNTS}.layer", classes, 0, 1, height, width)
    is_label = graph.op("Equal", f"{COUNTS}.is_label", layer, graph.weight(f"{COUNTS}.numbers", numbers))
    members = graph.cast(f"{COUNTS}.members", is_label, "float32")
    columns = graph.weight(f"{COUNTS}.columns", _repeats(width, manifest.image.width))
    by_row = graph.reduce_sum(f"{COUNTS}.by_row", graph.op("Mul", f"{COUNTS}.wide", members, columns), 3)
    rows = graph.weight(f"{COUNTS}.rows", _repeats(height, manifest.image.height))
    graph.reduce_sum(COUNTS, graph.op("Mul", f"{COUNTS}.full", by_row, rows), 2)


def _repeats(count: int, mask_count: int) -> npt.NDArray[np.float32]:
    """Say how many of the mask's rows (or columns) each of the map's becomes."""
    return np.bincount(shown_by(count, mask_count), minlength=count).astype(np.float32)
