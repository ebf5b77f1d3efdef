"""Any ONNX file: what its signature does not say comes from flags, or from whoever sits at the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from onnx import ModelProto

from edge_agent.building.importing.answering import parse_divisors, parse_number, parse_rgb, parse_share
from edge_agent.building.importing.draft import Ask, Draft, Rgb, Wanted, WantedOnnx, make_labels, number_names
from edge_agent.building.importing.extension import Extension
from edge_agent.building.importing.masks import add_mask, choose_mask
from edge_agent.building.importing.onnx_model import (
    ModelInput,
    answers,
    find_input,
    load,
    read_model,
    sample_tensor,
    shown,
)
from edge_agent.building.importing.scores import add_score, choose_score
from edge_agent.building.importing.sizes import find_sizes
from edge_agent.component.manifest import Calibration, Input, Label, ScoreOutput
from edge_agent.errors import ImportFailed
from edge_agent.inference.conversion.pruning import keep_outputs
from edge_agent.inference.engines.engine import Engine
from edge_agent.inference.engines.signature import Signature


class _Pixels(NamedTuple):
    """A value of 0..255 becomes (value * scale - mean) / std."""

    scale: float
    mean: Rgb
    std: Rgb


def draft_onnx(path: Path, wanted: Wanted, onnx: WantedOnnx, ask: Ask) -> Draft:
    """Read an ONNX file.

    Raises:
        ImportFailed: it can't be used, or something is needed that nobody has said.
    """
    foreign = read_model(path)
    model = foreign.model
    engine = _load(model, onnx)
    spec = find_input(engine.signature, onnx.layout)
    ask.show(_described(engine.signature))
    if onnx.layout and onnx.layout != spec.layout:
        raise ImportFailed(f"--layout is {onnx.layout}, the model's input is {shown(engine.signature.inputs[0])}")
    sizes = find_sizes(spec, wanted, ask, onnx.input_size)
    outputs = answers(engine, sample_tensor(spec, *sizes.input))
    pixels = _pixels(spec, onnx, ask)
    score = choose_score(foreign, outputs, spec, sizes.input, onnx, ask)
    mask_name, notes = choose_mask(outputs, None if score.is_map else score.name, onnx, ask)
    threshold = wanted.threshold
    if threshold is None:
        question = "from which score on, of 0..1, a part is anomalous"
        threshold = ask("--threshold", question, parse_share, "" if score.is_map else "0.5", needed=True)
    extension = Extension(model)
    given = [add_score(extension, score, onnx.activation)]
    mask = None
    labels: tuple[Label, ...] = ()
    if mask_name:
        mask, output = add_mask(extension, mask_name, outputs[mask_name], onnx)
        given.append(output)
        labels = _labels(wanted, mask_name, mask.kind, outputs[mask_name].shape)
    elif wanted.labels:
        raise ImportFailed(f"--label was given without --mask-output, of {', '.join(outputs)}")
    extension.give(*given)
    return Draft(
        model=model,
        image=sizes.image,
        input=Input(
            name=extension.feed(spec, *sizes.input, bgr=onnx.bgr),
            width=sizes.input[0],
            height=sizes.input[1],
            resize=onnx.resize,
            layout=spec.layout,
            dtype=spec.dtype,
            scale=pixels.scale,
            mean=pixels.mean,
            std=pixels.std,
        ),
        score=ScoreOutput(name=given[0][0]),
        threshold=threshold,
        mask=mask,
        labels=labels,
        calibration=Calibration(slope=onnx.calibration[0], intercept=onnx.calibration[1]) if onnx.calibration else None,
        notes=(*foreign.notes, *sizes.notes, *score.notes, *notes),
        origin={
            "score": score.name, "score_index": score.place, "activation": onnx.activation, "mask": mask_name,
            "bgr": onnx.bgr, **({"score_quantile": onnx.score_quantile} if onnx.score_quantile is not None else {}),
            **foreign.origin,
        },
    )  # fmt: skip


def _load(model: ModelProto, onnx: WantedOnnx) -> Engine:
    """Load a model; where that can't be done for an output that the user does not want, that is left out."""
    try:
        return load(model)
    except ImportFailed:
        wanted = [name for name in (onnx.score_output, onnx.mask_output) if name]
        if not onnx.score_output or not set(wanted) < {value.name for value in model.graph.output}:
            raise
        keep_outputs(model, wanted)
        return load(model)


def _pixels(spec: ModelInput, onnx: WantedOnnx, ask: Ask) -> _Pixels:
    scale, mean, std = onnx.scale, onnx.mean, onnx.std
    given = (scale, mean, std) != (None, None, None)
    if spec.dtype == "uint8":
        if given:
            raise ImportFailed("the model's input is uint8, the pixels as they are; omit --scale, --mean and --std")
        scale = 1.0
    elif not given:
        scale = ask("--scale", "factor for values of 0..255 (1 leaves them)", parse_number, str(1 / 255), needed=False)
        mean = ask("--mean", "mean of R, G and B after that", parse_rgb, "0,0,0", needed=False)
        std = ask("--std", "deviation of R, G and B after that", parse_divisors, "1,1,1", needed=False)
    if std and 0.0 in std:
        raise ImportFailed(f"--std is {std}, expected three numbers that can be divided by")
    return _Pixels(1 / 255 if scale is None else scale, mean or (0.0, 0.0, 0.0), std or (1.0, 1.0, 1.0))


def _labels(wanted: Wanted, name: str, kind: str, shape: tuple[int, ...]) -> tuple[Label, ...]:
    if kind == "class_ids" and not wanted.labels:
        raise ImportFailed(
            f"output '{name}' holds numbers of classes; name every one but the background with --label NAME=#RRGGBB"
        )
    counts = {"class_scores": shape[1] - 1, "class_ids": len(wanted.labels), "anomaly_map": 1}
    return make_labels(wanted, number_names(counts[kind]))


def _described(signature: Signature) -> list[str]:
    inputs = [f"input   {shown(spec)}" for spec in signature.inputs]
    return inputs + [f"output  {shown(spec)}" for spec in signature.outputs]
