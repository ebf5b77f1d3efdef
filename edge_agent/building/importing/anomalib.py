"""ONNX files that anomalib 2 exports (https://github.com/open-edge-platform/anomalib).

Resizing and normalisation of pictures, and the normalisation of scores that puts the cut at 0.5, are inside the graph
(src/anomalib/models/components/base/export_mixin.py, src/anomalib/post_processing/post_processor.py); the input takes
RGB values of 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onnx import ModelProto

from edge_agent.building.importing.draft import ANOMALY, Ask, Draft, Wanted, WantedOnnx, make_labels
from edge_agent.building.importing.extension import FLOAT, UINT8, Extension
from edge_agent.building.importing.onnx_model import ModelInput, answers, find_input, load, read_model, sample_tensor
from edge_agent.building.importing.sizes import find_sizes
from edge_agent.component.manifest import Input, MaskOutput, ScoreOutput
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.tensor import Tensor

#: by these names of outputs an export is recognised
OUTPUTS = ("pred_score", "anomaly_map", "pred_label", "pred_mask")
_CUT = 0.5
#: random pictures on which the score has to stay within 0..1
_TRIES = 2


def is_anomalib(model: ModelProto) -> bool:
    """Tell whether an ONNX file answers as anomalib's exports do."""
    return any(output.name in OUTPUTS for output in model.graph.output)


def draft_anomalib(path: Path, wanted: Wanted, onnx: WantedOnnx, ask: Ask) -> Draft:
    """Read an export of anomalib.

    Raises:
        ImportFailed: it has other inputs or outputs, or scores that are not normalised.
    """
    foreign = read_model(path)
    model = foreign.model
    engine = load(model)
    spec = find_input(engine.signature)
    if spec.layout != "NCHW" or spec.dtype == "uint8":
        raise ImportFailed(f"{path}: the input is {spec.dtype} {spec.layout}, anomalib exports float32 NCHW")
    sizes = find_sizes(spec, wanted, ask)
    outputs = [answers(engine, sample_tensor(spec, *sizes.input, seed=seed)) for seed in range(_TRIES)]
    extension = Extension(model)
    score = _score(extension, path, outputs)
    mask, shape = _mask(extension, outputs[0])
    extension.give((score, FLOAT, [1]), *([(mask.name, _TYPES[mask.kind], shape)] if mask else []))
    if wanted.labels and not mask:
        raise ImportFailed("--label was given, and the model has neither 'anomaly_map' nor 'pred_mask'")
    return Draft(
        model=model,
        image=sizes.image,
        input=_input(extension, spec, onnx, *sizes.input),
        score=ScoreOutput(name=score),
        threshold=_CUT if wanted.threshold is None else wanted.threshold,
        mask=mask,
        labels=make_labels(wanted, [ANOMALY]) if mask else (),
        is_yes_or_no=not {"pred_score", "anomaly_map"} & set(outputs[0]),
        notes=(*foreign.notes, *sizes.notes),
        origin={"outputs": [name for name in OUTPUTS if name in outputs[0]], "bgr": onnx.bgr, **foreign.origin},
    )


_TYPES = {"anomaly_map": FLOAT, "class_ids": UINT8}


def _input(extension: Extension, spec: ModelInput, onnx: WantedOnnx, width: int, height: int) -> Input:
    return Input(
        name=extension.feed(spec, width, height, bgr=onnx.bgr),
        width=width,
        height=height,
        resize=onnx.resize,
        dtype=spec.dtype,
        scale=1 / 255 if onnx.scale is None else onnx.scale,
        mean=onnx.mean or (0.0, 0.0, 0.0),
        std=onnx.std or (1.0, 1.0, 1.0),
    )


def _score(extension: Extension, path: Path, outputs: list[Mapping[str, Tensor]]) -> str:
    """Write the score [1]: `pred_score`, or else the map's highest value as anomalib takes it, or else a yes or no."""
    name = next((name for name in OUTPUTS if name in outputs[0]), None)
    if name is None:
        found = ", ".join(outputs[0])
        raise ImportFailed(f"{path} has the outputs {found}, expected one of {', '.join(OUTPUTS)}; use --format onnx")
    for checked in (name, "anomaly_map"):  # the cut of the map is of 0..1, too
        if checked in outputs[0]:
            _check_normalised(path, checked, [output[checked] for output in outputs])
    source = extension.first("score.first", name) if outputs[0][name].ndim else name
    first = extension.cast("score.float", source, FLOAT)
    return extension.reshape("score", extension.op("ReduceMax", "score.most", first, keepdims=0), 1)


def _check_normalised(path: Path, name: str, values: list[Tensor]) -> None:
    if not all(value.size for value in values):
        raise ImportFailed(f"{path} answers with '{name}' {list(values[0].shape)}, which is empty, expected values")
    extremes = [float(extreme) for value in values for extreme in (value.min(), value.max())]
    if not all(0 <= value <= 1 for value in extremes):  # NaN is not, either
        raise ImportFailed(
            f"{path} answers random pictures with '{name}' of {min(extremes):.4g} to {max(extremes):.4g}, expected "
            "0..1: put the metadata.json that anomalib 0.x and 1.x write beside it, export it with anomalib 2, or use "
            "--format onnx with --calibration and --threshold"
        )


def _mask(extension: Extension, outputs: Mapping[str, Tensor]) -> tuple[MaskOutput | None, list[int | str]]:
    """Write the mask [1, h, w]: `anomaly_map`, or else `pred_mask`."""
    name = next((name for name in ("anomaly_map", "pred_mask") if name in outputs), None)
    if name is None:
        return None, []
    shape = outputs[name].shape
    if len(shape) < 3 or (len(shape) == 4 and shape[1] != 1) or len(shape) > 4:
        raise ImportFailed(f"output '{name}' is {list(shape)}, expected [n, height, width] or [n, 1, height, width]")
    first = extension.first("mask.first", name)
    height, width = shape[-2:]
    flat = extension.reshape("mask.plane", first, 1, height, width)
    if name == "anomaly_map":
        mask = extension.cast("mask", flat, FLOAT)
        return MaskOutput(name=mask, kind="anomaly_map", pixel_threshold=_CUT), [1, height, width]
    return MaskOutput(name=extension.cast("mask", flat, UINT8), kind="class_ids"), [1, height, width]
