"""Which output of an ONNX file is the score, which of its values counts, and the nodes that make it one value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edge_agent.building.importing.answering import index_below, one_of
from edge_agent.building.importing.boxes import find_boxes
from edge_agent.building.importing.class_names import is_normal
from edge_agent.building.importing.draft import Ask, Size, WantedOnnx
from edge_agent.building.importing.extension import FLOAT, Extension, Output
from edge_agent.building.importing.onnx_model import Foreign, ModelInput
from edge_agent.building.importing.proportions import is_map
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.tensor import Tensor

_BOXES = (
    ", which the agent has no answer for: train a model with masks of the same pictures with edge-agent train. Where "
    "anything that is found makes a part anomalous, export the model with non-maximum suppression and give its output "
    "of confidences with --score-output, and --score-quantile 1"
)


class Score(NamedTuple):
    """An output, how its values are taken together for one picture, and which of what is left counts."""

    name: str
    #: of one picture: values of a row, or classes of a map
    values: int
    place: int
    is_batched: bool
    #: pixels of a map, for each of its classes; 1 where it is none
    pixels: int = 1
    #: classes are the last dimension of a map
    is_channels_last: bool = False
    #: what is taken of the pixels, or of the values where a quantile was wanted; 1 is the highest
    quantile: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_map(self) -> bool:
        """Tell whether the score is made of a map of the picture."""
        return self.pixels > 1


class _Shape(NamedTuple):
    """One picture's part of an output."""

    classes: int
    pixels: int
    is_channels_last: bool = False


def choose_score(
    foreign: Foreign, outputs: Mapping[str, Tensor], spec: ModelInput, size: Size, wanted: WantedOnnx, ask: Ask
) -> Score:
    """Choose the score: the only output that can be it, or what the user says.

    Args:
        foreign: the model.
        outputs: what it answers to one picture.
        spec: its input.
        size: width and height of that.
        wanted: what the user says.
        ask: where the rest comes from.

    Raises:
        ImportFailed: it is not clear, or is no score.
    """
    floats = [name for name, value in outputs.items() if value.dtype.kind == "f" and value.size]
    if not floats:
        found = ", ".join(f"'{name}' {value.dtype} {list(value.shape)}" for name, value in outputs.items())
        boxes = find_boxes(foreign.model, spec, size, outputs)
        if boxes:
            raise ImportFailed(boxes + _BOXES)
        raise ImportFailed(f"the model answers with {found}, expected an output of floats with the score; export that")
    name = _chosen(foreign, outputs, spec, size, floats, wanted, ask)
    value = existing("--score-output", name, outputs)
    if value.dtype.kind != "f" or not value.size:
        raise ImportFailed(f"output '{name}' is {value.dtype} {list(value.shape)}, expected floats as a score")
    batch = spec.batch or 1
    is_batched = batch > 1 and value.ndim > 0 and value.shape[0] == batch
    shape = _shape_of(value, batch, spec, size)
    if shape is None and wanted.score_quantile is None:
        boxes = find_boxes(foreign.model, spec, size, {name: value})
        if boxes:
            raise ImportFailed(boxes + _BOXES)
        raise ImportFailed(
            f"output '{name}' is {list(value.shape)}: neither one value, nor a row of values, nor a map of the "
            "picture, so no index says which value is the score; name another output with --score-output, or take a "
            "quantile of all values with --score-quantile, 1 for the highest"
        )
    if shape is None:
        shape = _Shape(1, value.size // (batch if is_batched else 1))
    score = Score(name, shape.classes, 0, is_batched, shape.pixels, shape.is_channels_last, wanted.score_quantile)
    if wanted.score_quantile is not None and not score.is_map:  # of a row: nothing is left to choose
        score = score._replace(values=1, pixels=shape.classes)
    return _placed(score, foreign.classes, wanted, ask)


def existing(flag: str, name: str, outputs: Mapping[str, Tensor]) -> Tensor:
    """Give the output of a name.

    Raises:
        ImportFailed: there is none; the flag is named.
    """
    if name not in outputs:
        raise ImportFailed(f"{flag} is '{name}', the model has the outputs {', '.join(outputs)}")
    return outputs[name]


def _chosen(
    foreign: Foreign, outputs: Mapping[str, Tensor], spec: ModelInput, size: Size, floats: Sequence[str],
    wanted: WantedOnnx, ask: Ask,
) -> str:  # fmt: skip
    if wanted.score_output is not None:
        return wanted.score_output
    boxes = find_boxes(foreign.model, spec, size, outputs)
    if boxes:
        raise ImportFailed(boxes + _BOXES)
    candidates = [name for name in floats if outputs[name].ndim < 3] or floats
    if len(candidates) == 1:
        return candidates[0]
    shown = ", ".join(f"{name} {list(outputs[name].shape)}" for name in floats)
    return ask("--score-output", f"which output is the score, of {shown}", one_of(floats), "", needed=True)


def _shape_of(value: Tensor, batch: int, spec: ModelInput, size: Size) -> _Shape | None:
    """Tell what one picture has of an output; None where that is neither values, nor a map of the picture's shape."""
    shape = list(value.shape)
    if shape and shape[0] == batch and (len(shape) > 1 or batch > 1):
        shape = shape[1:]
    sides = [side for side in shape if side != 1]
    if len(sides) < 2:
        return _Shape(sides[0] if sides else 1, 1)
    if len(sides) == 2 and is_map(sides[1], sides[0], size):
        return _Shape(1, sides[0] * sides[1])
    if len(sides) == 3:
        first, last = is_map(sides[2], sides[1], size), is_map(sides[1], sides[0], size)
        if first or last:
            is_last = last and (not first or spec.layout == "NHWC")
            classes = sides[2] if is_last else sides[0]
            return _Shape(classes, math.prod(sides) // classes, is_last)
    return None


def _placed(score: Score, names: Sequence[str], wanted: WantedOnnx, ask: Ask) -> Score:
    """Choose which of the values counts, by the file's own names where it has them."""
    count, index = score.values, wanted.score_index
    known = list(names) if len(names) == count else []
    if score.is_map and count == 1 and index is not None:
        raise ImportFailed(
            f"--score-index is {index}, and '{score.name}' is a map of {score.pixels} values, none of which stands for "
            "the part: the highest is the score; omit it, or take another with --score-quantile"
        )
    if index is None and count > 1:
        what = f"classes of the map '{score.name}'" if score.is_map else f"values of '{score.name}'"
        question = f"which of the {count} {what} says that a part is anomalous, counted from 0"
        if known:
            question += f" (in the file: {', '.join(f'{place} = {name}' for place, name in enumerate(known))})"
        index = ask("--score-index", question, index_below(count), "", needed=True)
    index = index or 0
    if index >= count:
        raise ImportFailed(f"--score-index is {index}, output '{score.name}' has {count} values, counted from 0")
    if count == 1 and wanted.activation == "softmax":
        raise ImportFailed(
            f"--activation is softmax, which makes the only value of '{score.name}' 1 for every picture; "
            "expected sigmoid"
        )
    notes = []
    if known and count > 1 and is_normal(known[index]):
        notes.append(
            f"value {index} of '{score.name}' is '{known[index]}' by the file's own names, and its score counts "
            f"as anomalous: expected the index of another of {', '.join(known)}"
        )
    return score._replace(place=index, notes=tuple(notes))


def add_score(extension: Extension, score: Score, activation: str) -> Output:
    """Write the score [1]."""
    source = extension.first("score.first", score.name) if score.is_batched else score.name
    values = extension.cast("score.float", source, FLOAT)
    # Rows of classes: the softmax of the last dimension means the same in every version of its operator.
    if score.is_map and not score.is_channels_last:
        planes = extension.reshape("score.planes", values, score.values, score.pixels)
        values = extension.op("Transpose", "score.rows", planes, perm=[1, 0])
    else:
        values = extension.reshape("score.rows", values, score.pixels, score.values)
    if activation == "softmax":
        values = extension.op("Softmax", "score.softmax", values, axis=1)
    elif activation == "sigmoid":
        values = extension.op("Sigmoid", "score.sigmoid", values)
    number = extension.weight("score.index", score.place, "int64")
    chosen = extension.reshape(
        "score.row", extension.op("Gather", "score.values", values, number, axis=1), 1, score.pixels
    )
    return add_quantile(extension, chosen, score.pixels, score.quantile), FLOAT, [1]


def add_quantile(extension: Extension, row: str, count: int, quantile: float | None) -> str:
    """Write one value [1] of a row [1, count]: the least that a share `quantile` of them does not exceed.

    That is numpy's quantile by the method inverted_cdf; 1, or None, is the highest.
    """
    if count == 1:
        return extension.reshape("score", row, 1)
    # Reading ever fewer: the highest needs no sorting.
    place = 1 if quantile is None else count - max(math.ceil(quantile * count), 1) + 1
    if place == 1:
        plane = extension.reshape("score.plane", row, 1, 1, count)
        return extension.reshape("score", extension.op("GlobalMaxPool", "score.most", plane), 1)
    sorted_values = extension.largest("score.sorted", row, place)
    last = extension.weight("score.place", place - 1, "int64")
    return extension.op("Gather", "score", sorted_values, last, axis=1)
