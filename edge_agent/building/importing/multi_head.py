"""What DDA calculates of the answers of its "multi head" model, as ONNX nodes.

After awslabs/DefectDetectionApplication, src/backend/lyra_science_processing_utils:
model_processors/supervised_multihead_postprocessor.py (sum of the classes that are not normal, bias, argmax),
utils/score_calibrator.py (scikit-learn's sigmoid calibration: 1 / (1 + exp(a * score + b)), the score divided by
`max_val_score` where that is more than 1) and model_graphs/single_stage_model_graph.py (`classification_logic`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from edge_agent.building.importing.extension import FLOAT, UINT8, Extension
from edge_agent.building.importing.model_graph import GraphManifest, Stage
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.tensor import Tensor

#: scores and thresholds are compared at four decimals
_STEP = 1e-4


class Heads(NamedTuple):
    """The names of the outputs that were written, and the mask's classes: the first normal one, and the anomalies."""

    score: str
    mask: str | None = None
    background: int = 0
    anomalies: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


class _Answers(NamedTuple):
    """Which of the model's outputs are what: name and shape."""

    mask: tuple[str, tuple[int, ...]] | None
    score: tuple[str, tuple[int, ...]] | None


def add_heads(extension: Extension, manifest: GraphManifest, outputs: Mapping[str, Tensor], threshold: float) -> Heads:
    """Write score and map of classes behind the model, and let them be its outputs.

    Args:
        extension: the model.
        manifest: what its outputs mean.
        outputs: an answer of the model, for the shapes.
        threshold: of the verdict, rounded to four decimals.

    Raises:
        ImportFailed: the outputs are not what the manifest says, or its keys contradict each other.
    """
    stage = manifest.stage
    found = _sort(stage, outputs)
    score = _score(extension, stage, found)
    if found.mask is None:
        extension.give((score, FLOAT, [1]))
        return Heads(score)
    classes, anomalies = _classes(extension, manifest, found.mask)
    logic = stage.classification_logic
    notes: tuple[str, ...] = ()
    if logic and logic != "cls_head":
        if stage.seg_normal_ids is None:  # as in DDA, whatever pixel_level_classes says
            notes = (f"classification_logic '{logic}' is not applied, as in DDA: the stage has no 'seg_normal_ids'",)
        else:
            score = _combined(extension, logic, score, classes, threshold)
    height, width = found.mask[1][2:]
    extension.give((score, FLOAT, [1]), (classes, UINT8, [1, height, width]))
    background = next(number for number in range(found.mask[1][1]) if number not in anomalies)
    return Heads(score, classes, background, anomalies, notes)


def _sort(stage: Stage, outputs: Mapping[str, Tensor]) -> _Answers:
    """Take the outputs in DDA's order, the mask before the score; what the manifest leaves out, their shapes tell."""
    shapes = [(name, tensor.shape) for name, tensor in outputs.items()]
    seg, cls = stage.segmentation_head_enabled, stage.classification_head_enabled
    if seg is None and cls is None:
        seg = any(len(shape) == 4 for _, shape in shapes)
        cls = any(len(shape) == 2 for _, shape in shapes)
    expected = [4] * bool(seg) + [2] * bool(cls)
    used = shapes[: len(expected)]
    if not expected or [len(shape) for _, shape in used] != expected or any(0 in shape for _, shape in used):
        heads = {(True, True): "a mask and a score", (True, False): "a mask", (False, True): "a score"}
        raise ImportFailed(
            f"the model answers with {', '.join(f'{name} {list(shape)}' for name, shape in shapes)}, its manifest.json "
            f"speaks of {heads.get((bool(seg), bool(cls)), 'neither a mask nor a score')}: expected mask "
            "[n, classes, height, width] before score [n, classes]"
        )
    return _Answers(used[0] if seg else None, used[-1] if cls else None)


def _score(extension: Extension, stage: Stage, found: _Answers) -> str:
    if found.score is None:
        assert found.mask is not None
        mask = extension.cast("mask.of_score", extension.first("mask.first_of_score", found.mask[0]), FLOAT)
        mean = extension.op("ReduceMean", "score.mean", mask, keepdims=0)
        return extension.reshape("score", mean, 1)
    name, (_, count) = found.score
    normal = _normal_ids("class_normal_ids", stage.class_normal_ids, count)
    weights = [[0.0 if number in normal else 1.0] for number in range(count)]
    first = extension.cast("score.float", extension.first("score.first", name), FLOAT)
    total = extension.op("MatMul", "score.sum", first, extension.weight("score.weights", weights))
    if stage.calibrated:
        assert stage.calibrator_scaling is not None
        assert stage.calibrator_shift is not None
        slope = extension.weight("calibration.slope", -stage.calibrator_scaling / max(stage.max_val_score or 1.0, 1.0))
        intercept = extension.weight("calibration.intercept", -stage.calibrator_shift)
        line = extension.op(
            "Add", "calibration.line", extension.op("Mul", "calibration.scaled", total, slope), intercept
        )
        total = extension.op("Sigmoid", "calibration", line)
    return extension.reshape("score", total, 1)


def _classes(
    extension: Extension, manifest: GraphManifest, mask: tuple[str, tuple[int, ...]]
) -> tuple[str, tuple[int, ...]]:
    """Write the map of our classes [1, h, w]: 0 is every normal class, the others keep their order."""
    stage, (name, (_, count, _, _)) = manifest.stage, mask
    named = manifest.model_graph.pixel_level_classes
    if count < 2:
        raise ImportFailed(f"the mask '{name}' has {count} class, expected what is normal and at least one anomaly")
    ids = stage.seg_normal_ids
    if ids is None and named is not None:
        ids = named.normal_ids
    normal = _normal_ids("seg_normal_ids", ids, count)
    anomalies = tuple(number for number in range(count) if number not in normal)
    scores = extension.cast("mask.float", extension.first("mask.first", name), FLOAT)
    if stage.seg_recall_bias:
        bias = np.zeros((1, count, 1, 1))
        bias[:, list(anomalies)] = stage.seg_recall_bias
        scores = extension.op("Add", "mask.biased", scores, extension.weight("mask.bias", bias))
    winner = extension.op("ArgMax", "mask.winner", scores, axis=1, keepdims=0)
    if anomalies == tuple(range(1, count)):
        return extension.cast("mask", winner, UINT8), anomalies
    numbers = [anomalies.index(number) + 1 if number in anomalies else 0 for number in range(count)]
    return extension.op("Gather", "mask", extension.weight("mask.numbers", numbers, np.uint8), winner), anomalies


def _combined(extension: Extension, logic: str, score: str, classes: str, threshold: float) -> str:
    """Move the score to the side of the threshold on which DDA's verdict is.

    DDA overrides the label and leaves the score; here the score alone decides. Where both agree it stays as it is.
    """
    if logic != "cls_or_seg" and threshold < _STEP:
        raise ImportFailed(
            f"classification_logic '{logic}' with threshold {threshold:g}: no score is below it; give --threshold"
        )
    most = extension.op("ReduceMax", "marked.most", extension.cast("marked.classes", classes, FLOAT), keepdims=0)
    none = extension.weight("marked.none", [0.0])
    marked = extension.op("Greater", "marked", extension.reshape("marked.flat", most, 1), none)
    raised = extension.op("Max", "score.raised", score, extension.weight("score.threshold", [threshold]))
    lowered = extension.op("Min", "score.lowered", score, extension.weight("score.below", [threshold - _STEP]))
    sides = {"seg_head": (raised, lowered), "cls_and_seg": (score, lowered), "cls_or_seg": (raised, score)}
    return extension.op("Where", "score.combined", marked, *sides[logic])


def _normal_ids(key: str, ids: list[int] | None, count: int) -> set[int]:
    """Check the numbers of the normal classes: with several classes, at least one is normal and one is not."""
    normal = set(ids or ())
    wrong = not normal <= set(range(count)) or len(normal) == count or (count > 1 and not normal)
    if wrong:
        said = "missing" if ids is None else sorted(normal)
        raise ImportFailed(
            f"'{key}' is {said}, the model's classes are 0 to {count - 1}: expected those that are normal, not all"
        )
    return normal
