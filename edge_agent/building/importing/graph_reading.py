"""Reading a `model_graph`, and refusing what can't be taken over."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge_agent.building.importing.answering import MOST
from edge_agent.building.importing.json_file import read_json
from edge_agent.building.importing.model_graph import FILTERS, SINGLE_STAGE, GraphManifest, Stage
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.bitmap import MAX_SIDE

#: the one post-processing that is taken over, by its two names
_MULTI_HEAD = ("mochi", "supervised_multi_head_model")
_OTHER_STAGES = {
    "dango": "draws bounding boxes", "supervised_multi_head_model_bbox": "draws bounding boxes",
    "taiyaki": "detects objects", "yolo_object_detection": "detects objects",
    "canele": "detects objects", "rf_detr_object_detection": "detects objects",
    "rf_detr_semantic_segmentation": "detects objects",
}  # fmt: skip
_LOGIC = ("cls_head", "seg_head", "cls_and_seg", "cls_or_seg")


def read_graph_manifest(path: Path) -> GraphManifest:
    """Read manifest.json.

    Raises:
        ImportFailed: a key is missing or has a wrong value, or the model does what can't be taken over.
    """
    content = read_json(path)
    # Looked at first: stages of other graphs have other keys.
    kind = _graph_type(path, content)
    if kind != SINGLE_STAGE:
        raise ImportFailed(
            f"{path} describes a '{kind}', expected a '{SINGLE_STAGE}'; models in two stages and bounding boxes can't "
            "be taken over: train one model with edge-agent train"
        )
    try:
        manifest = msgspec.convert(content, GraphManifest)
    except msgspec.ValidationError as error:
        text = str(error).replace("`", "'").replace(" - at '$.", " at key '")
        raise ImportFailed(f"{path}: {text}") from None
    if len(manifest.model_graph.stages) != 1:
        raise ImportFailed(
            f"{path} has {len(manifest.model_graph.stages)} stages, expected 1; train one model with edge-agent train"
        )
    _check_stage(path, manifest.stage)
    return manifest


def _graph_type(path: Path, content: object) -> str:
    graph = content.get("model_graph") if isinstance(content, dict) else None
    if not isinstance(graph, dict):
        raise ImportFailed(f"{path} has no object 'model_graph'; import the ONNX file alone with --format onnx")
    stages = graph.get("stages")
    first = stages[0] if isinstance(stages, list) and stages and isinstance(stages[0], dict) else {}
    does = _OTHER_STAGES.get(str(first.get("type")))
    if does:
        raise ImportFailed(
            f"{path}: the stage '{first['type']}' {does}, which the agent has no answer for; train a model with masks "
            "with edge-agent train"
        )
    return str(graph.get("model_graph_type", SINGLE_STAGE))


def _check_stage(path: Path, stage: Stage) -> None:
    known = stage.type in _MULTI_HEAD or stage.classification_head_enabled or stage.segmentation_head_enabled
    if not known:
        raise ImportFailed(
            f"{path}: what the outputs of a stage '{stage.type}' mean is not known, expected 'mochi'; import its ONNX "
            "file alone with --format onnx and say it"
        )
    if stage.transform_preprocessing:
        raise ImportFailed(
            f"{path} transforms pictures first (transform_preprocessing {stage.transform_preprocessing}), which is not "
            "taken over; train a model with edge-agent train"
        )
    if stage.keeps_aspect:
        raise ImportFailed(
            f"{path} pads pictures to keep their aspect (preserve_aspect), which is not taken over; pad them in the "
            "client and remove the key"
        )
    if stage.interpolation not in FILTERS:
        raise ImportFailed(f"{path}: interpolation is {stage.interpolation}, expected one of {sorted(FILTERS)}")
    if not all(1 <= side <= MAX_SIDE for side in (stage.image_width, stage.image_height)):
        raise ImportFailed(
            f"{path}: the stage's image_width and image_height are {stage.image_width} and {stage.image_height}, "
            f"expected 1 to {MAX_SIDE}"
        )
    if stage.classification_logic not in (None, *_LOGIC):
        raise ImportFailed(
            f"{path}: classification_logic is '{stage.classification_logic}', expected one of {', '.join(_LOGIC)}"
        )
    for key in ("seg_recall_bias", "max_val_score", "calibrator_scaling", "calibrator_shift"):
        if abs(getattr(stage, key) or 0.0) > MOST:
            raise ImportFailed(f"{path}: {key} is {getattr(stage, key):g}, expected -{MOST:g} to {MOST:g}")
    if not 0 <= stage.threshold <= 1:
        raise ImportFailed(f"{path}: threshold is {stage.threshold:g}, expected 0..1")
    if stage.calibrated and (stage.calibrator_scaling is None or stage.calibrator_shift is None):
        raise ImportFailed(f"{path}: 'calibrated' is set without 'calibrator_scaling' and 'calibrator_shift'")
