"""Which output of an ONNX file is the mask, and the nodes that give it our shape. The score: scores.py."""

from __future__ import annotations

from collections.abc import Mapping

from edge_agent.building.importing.answering import one_of
from edge_agent.building.importing.draft import Ask, WantedOnnx
from edge_agent.building.importing.extension import FLOAT, UINT8, Extension, Output
from edge_agent.building.importing.scores import existing
from edge_agent.component.manifest import MaskOutput
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.tensor import Tensor

_NONE = "none"


def choose_mask(
    outputs: Mapping[str, Tensor], score: str | None, wanted: WantedOnnx, ask: Ask
) -> tuple[str | None, tuple[str, ...]]:
    """Choose the mask, or none, and say what nobody was asked. `score` is an output that can't be it.

    Raises:
        ImportFailed: there is no output of the name that the user says.
    """
    if wanted.mask_output:
        existing("--mask-output", wanted.mask_output, outputs)
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
