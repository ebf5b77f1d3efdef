"""Outputs of detectors: boxes around things, which the agent has no answer for. They are told by name and shape."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from onnx import ModelProto

from edge_agent.building.importing.draft import Size
from edge_agent.building.importing.onnx_model import ModelInput
from edge_agent.building.importing.proportions import is_map
from edge_agent.inference.imaging.tensor import Tensor

_NAMES = re.compile(r"(^|[^a-z])(b?box(es)?|bboxes|dets?|detections?|rois?|proposals|anchors?)([^a-z]|$)")
_TASKS = ("detect", "segment", "pose", "obb")
#: steps of the grids on which detectors look, in pixels
_STRIDES = (
    (8, 16, 32),
    (8, 16, 32, 64),
    (4, 8, 16, 32),
    (8, 16, 32, 64, 128),
    (16, 32),
    (16, 32, 64),
    (8,),
    (16,),
    (32,),
)
_MOST_ANCHORS = 9
#: x1, y1, x2, y2 and a score, perhaps a class and the picture's number
_ROWS = (5, 6, 7)
_FEWEST, _MOST = 10, 2000
_FEWEST_CELLS = 300


def find_boxes(model: ModelProto, spec: ModelInput, size: Size, outputs: Mapping[str, Tensor]) -> str:
    """Say which output holds boxes, or "" where none does.

    Args:
        model: its metadata may say what it was made for.
        spec: its input.
        size: width and height of that.
        outputs: what it answers to one picture.
    """
    said = {entry.key: entry.value for entry in model.metadata_props}
    shapes = {name: list(value.shape[_batch(value, spec) :]) for name, value in outputs.items()}
    if said.get("task") in _TASKS and said.get("stride"):
        name, shape = next(iter(shapes.items()))
        return f"output '{name}' {shown(shape)} is a YOLO model's for the task '{said['task']}': boxes"
    cells = set(_cells(size))
    for name, shape in shapes.items():
        if outputs[name].dtype.kind != "f" or (len(shape) == 2 and is_map(shape[1], shape[0], size)):
            continue
        if len(shape) == 2 and _are_cells(shape, cells):
            values = shape[0] if shape[1] in cells else shape[1]
            return f"output '{name}' {shown(shape)} holds boxes as YOLO and SSD do: {max(shape)} of {values} values"
        if shape[-1:] == [4] and len(shape) == 2 and _counts(shapes, name, shape[0]):
            return f"output '{name}' {shown(shape)} holds {shape[0]} boxes of 4 coordinates"
        is_named = _NAMES.search(name.lower()) is not None
        if len(shape) == 2 and shape[1] in (4, *_ROWS) and is_named:
            return f"output '{name}' {shown(shape)} holds boxes, of {shape[1]} values each"
        if len(shape) == 2 and shape[1] in _ROWS and _FEWEST <= shape[0] <= _MOST and len(shapes) == 1:
            return f"output '{name}' {shown(shape)} holds {shape[0]} boxes of {shape[1]} values"
    return _grids(shapes, size)


def _batch(value: Tensor, spec: ModelInput) -> int:
    """Give the number of leading dimensions that are the batch."""
    return 1 if value.ndim >= 2 and value.shape[0] == (spec.batch or 1) else 0


def _cells(size: Size) -> Iterator[int]:
    """Give the numbers of boxes that a detector with a picture of this size may answer with."""
    for strides in _STRIDES:
        count = sum(-(-size[0] // step) * -(-size[1] // step) for step in strides)
        for anchors in range(1, _MOST_ANCHORS + 1):
            yield count * anchors


def _are_cells(shape: list[int], cells: set[int]) -> bool:
    few, many = sorted(shape)
    return many in cells and many > few >= 5 and many >= _FEWEST_CELLS


def _counts(shapes: Mapping[str, list[int]], boxes: str, count: int) -> bool:
    """Tell whether another output has so many scores or classes."""
    return any(name != boxes and count in shape[:2] for name, shape in shapes.items())


def _grids(shapes: Mapping[str, list[int]], size: Size) -> str:
    """Tell the heads of a YOLO model without its last step: grids in several steps with the same values a cell."""
    width, height = size
    found: dict[int, dict[int, str]] = {}  # values a cell -> step -> output
    for name, shape in shapes.items():
        if len(shape) not in (3, 4):
            continue
        for rows, columns, values in ((shape[-3], shape[-2], shape[-1]), (shape[-2], shape[-1], shape[-3])):
            step = height // rows if rows and columns else 0
            if step in (8, 16, 32) and width // columns == step and values >= 5:
                found.setdefault(values, {})[step] = name
    heads = next((names for names in found.values() if len(names) > 1), {})
    if not heads:
        return ""
    return f"the outputs {', '.join(repr(name) for name in heads.values())} are a detector's heads: boxes"


def shown(shape: list[int]) -> str:
    """Write a shape with its batch for a message."""
    return f"[{', '.join(map(str, ('n', *shape)))}]"
