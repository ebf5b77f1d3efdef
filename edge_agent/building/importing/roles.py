"""Which outputs of an ONNX file are score and mask, and the nodes that give them our shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from edge_agent.building.importing.answering import index_below, one_of
from edge_agent.building.importing.draft import Ask, WantedOnnx
from edge_agent.building.importing.extension import FLOAT, UINT8, Extension
from edge_agent.component.manifest import MaskOutput
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.tensor import Tensor

_NONE = "none"

#: name, type and shape of an output, as Extension.give takes it
Output = tuple[str, int, list[int | str]]


class Score(NamedTuple):
    """An output, how many values of it belong to one picture, and which one counts."""

    name: str
    values: int
    place: int
    is_batched: bool


def choose_score(outputs: Mapping[str, Tensor], batch: int, wanted: WantedOnnx, ask: Ask) -> Score:
    """Choose the score: the only output that can be it, or what the user says.

    Raises:
        ImportFailed: it is not clear, or is no score.
    """
    floats = [name for name, value in outputs.items() if value.dtype.kind == "f" and value.size]
    if not floats:
        found = ", ".join(f"'{name}' {value.dtype} {list(value.shape)}" for name, value in outputs.items())
        raise ImportFailed(f"the model answers with {found}, expected an output of floats with the score; export that")
    name = wanted.score_output
    if name is None:
        small = [name for name in floats if outputs[name].ndim < 3]
        suggestion = (small or floats)[0]
        name = suggestion
        if len(small) != 1:
            question = f"which output is the score, of {', '.join(floats)}"
            name = ask("--score-output", question, one_of(floats), suggestion, needed=True)
    value = _existing("--score-output", name, outputs)
    if value.dtype.kind != "f" or not value.size:
        raise ImportFailed(f"output '{name}' is {value.dtype} {list(value.shape)}, expected floats as a score")
    is_batched = batch > 1 and value.ndim > 0 and value.shape[0] == batch
    values = value.size // batch if is_batched else value.size
    index = wanted.score_index
    if index is None:
        question = f"which of the {values} values of '{name}' says that a part is anomalous, counted from 0"
        suggestion = str(values - 1)
        index = ask("--score-index", question, index_below(values), suggestion, needed=True) if values > 1 else 0
    if index >= values:
        raise ImportFailed(f"--score-index is {index}, output '{name}' has {values} values, counted from 0")
    if values == 1 and wanted.activation == "softmax":
        raise ImportFailed(
            f"--activation is softmax, which makes the only value of '{name}' 1 for every picture; expected sigmoid"
        )
    return Score(name, values, index, is_batched)


def choose_mask(
    outputs: Mapping[str, Tensor], score: str, wanted: WantedOnnx, ask: Ask
) -> tuple[str | None, tuple[str, ...]]:
    """Choose the mask, or none, and say what nobody was asked.

    Raises:
        ImportFailed: there is no output of the name that the user says.
    """
    if wanted.mask_output:
        _existing("--mask-output", wanted.mask_output, outputs)
        return wanted.mask_output, ()
    if wanted.mask_kind or wanted.pixel_threshold is not None:
        raise ImportFailed(f"a kind or threshold of the mask was given without --mask-output, of {', '.join(outputs)}")
    maps = [name for name, value in outputs.items() if name != score and value.ndim in (3, 4)]
    if not maps:
        return None, ()
    if not ask.is_answered:
        names = " or ".join(f"--mask-output {name}" for name in maps)
        return None, (f"no mask is made, though an output may be one: {names}",)
    question = f"which output is the mask, of {', '.join(maps)} or {_NONE}"
    name = ask("--mask-output", question, one_of([*maps, _NONE]), _NONE, needed=False)
    return None if name == _NONE else name, ()


def add_score(extension: Extension, score: Score, activation: str) -> Output:
    """Write the score [1]."""
    source = extension.first("score.first", score.name) if score.is_batched else score.name
    values = extension.reshape("score.values", extension.cast("score.float", source, FLOAT), 1, score.values)
    if activation == "softmax":
        values = extension.op("Softmax", "score.softmax", values, axis=1)
    elif activation == "sigmoid":
        values = extension.op("Sigmoid", "score.sigmoid", values)
    number = extension.weight("score.index", score.place, "int64")
    return extension.op("Gather", "score", values, number, axis=1), FLOAT, [1]


def add_mask(extension: Extension, name: str, value: Tensor, wanted: WantedOnnx) -> tuple[MaskOutput, Output]:
    """Write the mask with a batch of one.

    Raises:
        ImportFailed: its type or shape is not that of its kind.
    """
    shape = list(value.shape)
    integers = value.dtype.kind in "iub"
    lone = len(shape) == 3 or (len(shape) == 4 and shape[1] == 1)
    kind = wanted.mask_kind or ("class_ids" if integers else "anomaly_map" if lone else "class_scores")
    fits = 0 not in shape and (len(shape) == 4 and shape[1] > 1 if kind == "class_scores" else lone)
    if not fits or integers != (kind == "class_ids"):
        raise ImportFailed(
            f"output '{name}' is {value.dtype} {shape}, which is no {kind}: expected floats [n, labels, height, width] "
            "for class_scores, integers [n, height, width] for class_ids, floats [n, height, width] for anomaly_map"
        )
    if wanted.pixel_threshold is not None and kind != "anomaly_map":
        raise ImportFailed(f"--pixel-threshold is for an anomaly_map, output '{name}' is a map of {kind}")
    threshold = 0.5 if wanted.pixel_threshold is None else wanted.pixel_threshold
    dtype = UINT8 if kind == "class_ids" else FLOAT
    mask = extension.cast("mask", extension.first("mask.first", name), dtype)
    return MaskOutput(name=mask, kind=kind, pixel_threshold=threshold), (mask, dtype, [1, *shape[1:]])


def _existing(flag: str, name: str, outputs: Mapping[str, Tensor]) -> Tensor:
    if name not in outputs:
        raise ImportFailed(f"{flag} is '{name}', the model has the outputs {', '.join(outputs)}")
    return outputs[name]
