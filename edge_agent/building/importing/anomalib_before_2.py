"""ONNX files that anomalib 0.x and 1.x export: a raw map or score, made 0..1 by what metadata.json beside it says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edge_agent.building.importing.anomalib_metadata import Distribution, Metadata, Range, read_metadata
from edge_agent.building.importing.draft import ANOMALY, Ask, Draft, Size, Wanted, WantedOnnx, make_labels
from edge_agent.building.importing.extension import FLOAT, Extension, Output
from edge_agent.building.importing.onnx_model import ModelInput, answers, find_input, load, read_model, sample_tensor
from edge_agent.building.importing.scores import add_quantile
from edge_agent.building.importing.sizes import find_sizes
from edge_agent.component.manifest import Calibration, Input, MaskOutput, ScoreOutput
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.tensor import Tensor

#: where anomalib puts the threshold of a normalised score
_CUT = 0.5
_MAP, _SCORE = "anomaly_map", "pred_score"


def draft_anomalib_before_2(path: Path, metadata_path: Path, wanted: Wanted, onnx: WantedOnnx, ask: Ask) -> Draft:
    """Read an export with its metadata: score and mask as anomalib's own inferencer for ONNX files gives them.

    Raises:
        ImportFailed: it has other inputs or outputs than these exports, or metadata that can't be taken over.
    """
    metadata = read_metadata(metadata_path)
    foreign = read_model(path)
    engine = load(foreign.model)
    spec = find_input(engine.signature)
    if spec.layout != "NCHW" or spec.dtype == "uint8":
        raise ImportFailed(f"{path}: the input is {spec.dtype} {spec.layout}, anomalib exports float32 NCHW")
    sizes = find_sizes(spec, wanted, ask, metadata.transform.size)
    outputs = answers(engine, sample_tensor(spec, *sizes.input))
    map_name, score_name = _chosen(path, outputs)
    extension = Extension(foreign.model)
    plane, size = _plane(extension, map_name, outputs) if map_name else ("", (0, 0))
    raw = _first_value(extension, score_name) if score_name else add_quantile(
        extension, extension.reshape("score.row", plane, 1, math.prod(size)), math.prod(size), None
    )  # fmt: skip
    score, calibration, notes = _normalised(extension, raw, metadata)
    given: list[Output] = [(score, FLOAT, [1])]
    mask = None
    if plane and metadata.pixel_threshold is not None:
        name, threshold = _mask(extension, plane, size, metadata)
        mask = MaskOutput(name=name, kind="anomaly_map", pixel_threshold=threshold)
        given.append((name, FLOAT, [1, size[1], size[0]]))
    elif wanted.labels:
        raise ImportFailed("--label was given, and the model makes no mask")
    extension.give(*given)
    return Draft(
        model=foreign.model,
        image=sizes.image,
        input=_input(extension, spec, sizes.input, metadata, onnx),
        score=ScoreOutput(name=score),
        threshold=_CUT if wanted.threshold is None else wanted.threshold,
        mask=mask,
        labels=make_labels(wanted, [ANOMALY]) if mask else (),
        calibration=calibration,
        notes=(*foreign.notes, *sizes.notes, *notes),
        origin={"metadata": metadata_path.name, "outputs": [map_name or score_name], "bgr": onnx.bgr, **foreign.origin},
    )


def _chosen(path: Path, outputs: Mapping[str, Tensor]) -> tuple[str, str]:
    """Choose map and score, "" for none: by their names, or as anomalib does, which takes the first output.

    Where that is a map, its highest value is the score, whatever else is there.
    """
    floats = {name: value for name, value in outputs.items() if value.dtype.kind == "f" and value.size}
    if _MAP in floats:
        return _MAP, _SCORE if _SCORE in floats else ""
    if not floats:
        raise ImportFailed(f"{path} has no output of floats, expected anomalib's map or score")
    first = next(iter(floats))
    return ("", first) if max(1, *floats[first].shape[1:], 1) == 1 else (first, "")


def _plane(extension: Extension, name: str, outputs: Mapping[str, Tensor]) -> tuple[str, Size]:
    shape = outputs[name].shape
    if len(shape) not in (2, 3, 4) or (len(shape) == 4 and shape[1] != 1):
        raise ImportFailed(f"output '{name}' is {list(shape)}, expected [n, 1, height, width], anomalib's map")
    height, width = shape[-2:]
    first = extension.first("map.first", name) if len(shape) > 2 else name
    return extension.reshape("map", extension.cast("map.float", first, FLOAT), 1, height, width), (width, height)


def _first_value(extension: Extension, name: str) -> str:
    flat = extension.reshape("raw.flat", extension.cast("raw.float", name, FLOAT), -1)
    return extension.first("raw", flat)


def _normalised(extension: Extension, raw: str, metadata: Metadata) -> tuple[str, Calibration | None, tuple[str, ...]]:
    """Write the score [1] of 0..1, or leave it raw and give what makes it that."""
    threshold = metadata.image_threshold
    if isinstance(metadata.image, Range):
        return _ranged(extension, "normal", raw, threshold, metadata.image), None, ()
    if isinstance(metadata.image, Distribution):
        if metadata.image.mean.size != 1 or metadata.image.deviation.size != 1:
            raise ImportFailed(f"{metadata.path}: image_mean and image_std hold several numbers, expected one each")
        apart = _standardised(extension, "normal", raw, metadata.image, threshold, center=0.0)
        half = extension.weight("normal.half", 0.5)
        scaled = extension.op("Mul", "normal.scaled", apart, extension.weight("normal.root", 1 / math.sqrt(2)))
        curve = extension.op("Mul", "normal.curve", extension.op("Erf", "normal.erf", scaled), half)
        return extension.op("Add", "normal.score", curve, half), None, ()
    slope = 4 / threshold if threshold > 0 else 1.0
    note = (
        f"{metadata.path} says no range of scores, which anomalib then leaves as they are: they are put into 0..1 by a "
        f"logistic function that is 0.5 at its threshold, {threshold:g}"
    )
    return raw, Calibration(slope=slope, intercept=-slope * threshold), (note,)


def _mask(extension: Extension, plane: str, size: Size, metadata: Metadata) -> tuple[str, float]:
    """Write the map [1, height, width] of which the mask is cut, and give where."""
    threshold = metadata.pixel_threshold
    assert threshold is not None
    found = metadata.pixels
    if not isinstance(found, Distribution):  # anomalib cuts the raw map
        return plane, threshold
    for values in found:
        if values.size != 1 and values.shape != (size[1], size[0]):
            raise ImportFailed(
                f"{metadata.path}: pixel_mean and pixel_std are {list(values.shape)}, the map is {[size[1], size[0]]}"
            )
    center = 0.0
    if isinstance(metadata.image, Distribution):
        center = float(metadata.image.mean.reshape(-1)[0])
    return _standardised(extension, "cut", plane, found, threshold, center=center), 0.0


def _ranged(extension: Extension, name: str, raw: str, threshold: float, found: Range) -> str:
    moved = extension.op("Sub", f"{name}.moved", raw, extension.weight(f"{name}.threshold", threshold))
    scaled = extension.op("Div", f"{name}.scaled", moved, extension.weight(f"{name}.range", found.most - found.least))
    return extension.op("Add", f"{name}.score", scaled, extension.weight(f"{name}.half", 0.5))


def _standardised(
    extension: Extension, name: str, raw: str, found: Distribution, threshold: float, *, center: float
) -> str:
    """Write (log(raw) - mean) / deviation, moved so that `center` is 0 unless it is, less the threshold."""
    moved = (center - found.mean) / found.deviation if center else np.zeros_like(found.mean)
    logarithm = extension.op("Log", f"{name}.log", raw)
    apart = extension.op("Sub", f"{name}.apart", logarithm, extension.weight(f"{name}.mean", found.mean))
    scaled = extension.op("Div", f"{name}.standard", apart, extension.weight(f"{name}.deviation", found.deviation))
    return extension.op("Sub", f"{name}.above", scaled, extension.weight(f"{name}.threshold", moved + threshold))


def _input(extension: Extension, spec: ModelInput, size: Size, metadata: Metadata, onnx: WantedOnnx) -> Input:
    transform, given = metadata.transform, onnx.resize != WantedOnnx().resize
    return Input(
        name=extension.feed(spec, *size, bgr=onnx.bgr),
        width=size[0],
        height=size[1],
        resize=onnx.resize if given else transform.filter,
        dtype=spec.dtype,
        scale=transform.scale if onnx.scale is None else onnx.scale,
        mean=onnx.mean or transform.mean,
        std=onnx.std or transform.std,
    )
