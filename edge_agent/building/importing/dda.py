"""Components of the DefectDetectionApplication (https://github.com/awslabs/DefectDetectionApplication) in ONNX."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto

from edge_agent.building.importing.draft import (
    BACKGROUND,
    LABEL,
    Draft,
    Size,
    Wanted,
    is_label,
    make_labels,
    number_names,
)
from edge_agent.building.importing.extension import Extension
from edge_agent.building.importing.graph_reading import read_graph_manifest
from edge_agent.building.importing.model_graph import GraphManifest
from edge_agent.building.importing.multi_head import Heads, add_heads
from edge_agent.building.importing.onnx_model import answers, find_input, load, read_model, sample_tensor
from edge_agent.building.importing.sizes import guessed_size
from edge_agent.component.manifest import Input, Label, MaskOutput, ScoreOutput
from edge_agent.errors import ImportFailed

#: src/backend/lyra_science_processing_utils/model_processors/basic_preprocessor.py
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def draft_dda(place: Path, manifest_path: Path, wanted: Wanted) -> Draft:
    """Read a DDA component: of a folder, or of the ONNX file in it that was named.

    Raises:
        ImportFailed: it is not for ONNX Runtime, or does what can't be taken over.
    """
    manifest = read_graph_manifest(manifest_path)
    name = manifest.runtime_artifact or "model.onnx"
    # Unpacked on a device the file is in the stage's folder; in the package that DDA's portal makes it is beside.
    places = [manifest_path.parent / manifest.stage.type / name, manifest_path.parent / name]
    if any(part in ("..", "/") for said in (name, manifest.stage.type) for part in Path(said).parts):
        raise ImportFailed(f"{manifest_path}: '{manifest.stage.type}/{name}' leaves the component's folder")
    path = next((file for file in (place, *places) if file.is_file()), None)
    if path is None:
        raise ImportFailed(f"{manifest_path} has no model beside it, expected {places[0]}")
    foreign = read_model(path)
    draft = draft_of_graph(foreign.model, manifest, manifest_path, wanted, manifest.training_size)
    return draft._replace(notes=(*foreign.notes, *draft.notes), origin={**draft.origin, **foreign.origin})


def draft_of_graph(
    model: ModelProto, manifest: GraphManifest, source: Path, wanted: Wanted, training_size: Size | None
) -> Draft:
    """Make a component of a model and its model_graph, wherever the model came from.

    Raises:
        ImportFailed: model and manifest do not fit each other.
    """
    stage = manifest.stage
    notes: list[str] = []
    engine = load(model)
    spec = find_input(engine.signature)
    size = (stage.image_width, stage.image_height)
    if (spec.width or size[0], spec.height or size[1]) != size or spec.dtype == "uint8" or spec.layout != "NCHW":
        raise ImportFailed(
            f"the model's input is {spec.dtype} {spec.layout} {spec.width}x{spec.height}, {source} says NCHW "
            f"{size[0]}x{size[1]}: expected the same"
        )
    image = wanted.image_size or training_size
    if image is None:
        image = size
        notes.append(guessed_size(size))
    threshold = round(stage.threshold if wanted.threshold is None else wanted.threshold, 4)
    if threshold == 0:
        notes.append("the threshold is 0 at four decimals, so every picture is anomalous; --threshold gives another")
    extension = Extension(model)
    heads = add_heads(extension, manifest, answers(engine, sample_tensor(spec, *size)), threshold)
    notes.extend(heads.notes)
    if stage.classification_head_enabled is False:
        notes.append("it has no classification head: the score is the mean of the mask's values, as in DDA")
    labels: tuple[Label, ...] = ()
    if heads.mask is not None:
        labels = _labels(manifest, heads, wanted)
    elif wanted.labels:
        raise ImportFailed("--label was given, and the model makes no mask")
    return Draft(
        model=model,
        image=image,
        input=Input(
            name=extension.feed(spec, *size),
            width=size[0],
            height=size[1],
            resize=stage.filter,
            dtype=spec.dtype,
            scale=1 / 255 if stage.image_range_scale else 1.0,
            mean=MEAN if stage.normalize else (0.0,) * 3,
            std=STD if stage.normalize else (1.0,) * 3,
        ),
        score=ScoreOutput(name=heads.score),
        threshold=threshold,
        mask=MaskOutput(name=heads.mask, kind="class_ids") if heads.mask else None,
        labels=labels,
        stage_keys=True,
        notes=tuple(notes),
        origin={"stage": stage.type, "classification_logic": stage.classification_logic},
    )


def _labels(manifest: GraphManifest, heads: Heads, wanted: Wanted) -> tuple[Label, ...]:
    named = manifest.model_graph.pixel_level_classes
    names = named.names if named else []
    if len(names) <= max(heads.background, *heads.anomalies):
        return make_labels(wanted, number_names(len(heads.anomalies)))
    used = [names[number] for number in (heads.background, *heads.anomalies)]
    wrong = next((name for name in used if not is_label(name)), None)
    if wrong is not None and not wanted.labels:
        raise ImportFailed(
            f"pixel_level_classes has the name {wrong!r}, expected {LABEL}; give the kinds of anomaly with --label"
        )
    return make_labels(wanted, used[1:], BACKGROUND if wrong is not None else used[0])
