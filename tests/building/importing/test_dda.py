"""DDA components: the imported one answers as DDA would, calculated here with numpy and OpenCV."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from onnx import helper

from edge_agent.building.importing.draft import Wanted
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.resize import U8
from tests.building.importing.formats import (
    IMAGE,
    INPUT,
    MEAN,
    STAGE,
    STD,
    Served,
    answer,
    colored,
    empty_mask,
    graph_manifest,
    imported,
    model,
    network,
    pictures,
    write_dda,
)

GREEN, TEAL = "#23A436", "#14A3B3"


def expected(picture: U8, **changes: Any) -> tuple[bool, float, U8 | None]:
    """What DDA says: verdict, score, map of classes. Written after its source, apart from the code under test."""
    stage = {**STAGE, **changes}
    pixels: Any = cv2.resize(picture, INPUT, interpolation=stage.get("interpolation", cv2.INTER_AREA)).astype(
        np.float32
    )
    pixels = pixels / 255 if stage["image_range_scale"] else pixels
    maps, scores = answer((pixels - MEAN) / STD if stage["normalize"] else pixels)
    has_mask, has_score = stage["segmentation_head_enabled"], stage["classification_head_enabled"]
    if has_score:
        score = float(sum(value for number, value in enumerate(scores) if number not in stage["class_normal_ids"]))
        if stage.get("calibrated"):
            most = stage["max_val_score"]
            score = score / most if most > 1 else score
            score = 1 / (1 + np.exp(stage["calibrator_scaling"] * score + stage["calibrator_shift"]))
    else:
        score = float(maps.mean())
    is_anomalous = round(score, 4) >= round(stage["threshold"], 4)
    if not has_mask:
        return is_anomalous, score, None
    for number in range(3):
        if number not in stage["seg_normal_ids"]:
            maps[number] += stage.get("seg_recall_bias") or 0
    classes = maps.argmax(axis=0).astype(np.uint8)
    is_marked = not set(np.unique(classes)) <= set(stage["seg_normal_ids"])
    logic = stage.get("classification_logic")
    if logic == "seg_head":
        is_anomalous = is_marked
    elif logic == "cls_and_seg":
        is_anomalous = is_anomalous and is_marked
    elif logic == "cls_or_seg":
        is_anomalous = is_anomalous or is_marked
    return is_anomalous, score, classes


CASES: dict[str, dict[str, Any]] = {
    "both heads": {},
    "score": {"segmentation_head_enabled": False},
    "mask": {"classification_head_enabled": False, "threshold": 0.05},
    "other normal class": {"class_normal_ids": [0], "threshold": 0.6},
    "pixels of 0..255": {"image_range_scale": False, "normalize": False},
    "pixels of 0..1": {"normalize": False, "threshold": 0.53},
    "bias": {"seg_recall_bias": 0.9},
    "two normal classes of pixels": {"seg_normal_ids": [0, 2]},
    "the second class of pixels is normal": {"seg_normal_ids": [1]},
    "calibrated": {"calibrated": True, "max_val_score": 1.0, "calibrator_scaling": -6.0, "calibrator_shift": 2.5},
    "calibrated, divided": {
        "calibrated": True, "max_val_score": 4.0, "calibrator_scaling": -6.0, "calibrator_shift": 0.9,
    },
    "cls_head": {"classification_logic": "cls_head"},
    "seg_head": {"classification_logic": "seg_head"},
    "cls_and_seg": {"classification_logic": "cls_and_seg", "threshold": 0.015},
    "cls_or_seg": {"classification_logic": "cls_or_seg", "threshold": 0.8},
    "seg_head alone": {"classification_head_enabled": False, "classification_logic": "seg_head", "threshold": 0.05},
    "bilinear": {"interpolation": 1},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_component_answers_as_dda_does(tmp_path: Path, case: str) -> None:
    stage = CASES[case]
    heads = {**STAGE, **stage}
    outputs = ["mask"] * heads["segmentation_head_enabled"] + ["score"] * heads["classification_head_enabled"]
    result = imported(write_dda(tmp_path / "dda", outputs, **stage), tmp_path / "models")
    served = Served(result.folder)
    said, moved = set(), 0
    for picture in pictures():
        is_anomalous, score, classes = expected(picture, **stage)
        verdict, mask = served(picture)
        said.add(is_anomalous)
        assert verdict.is_anomalous == is_anomalous
        if is_anomalous != (round(score, 4) >= round(heads["threshold"], 4)):
            moved += 1
        else:
            assert verdict.score == pytest.approx(min(max(score, 0), 1), abs=2e-3)
        if classes is None:
            assert mask is None
            continue
        assert mask is not None
        anomalies = [number for number in range(3) if number not in heads["seg_normal_ids"]]
        palette = ["#FFFFFF"] * 3
        for number, color in zip(anomalies, (GREEN, TEAL), strict=False):
            palette[number] = color
        differing = (mask != colored(classes, palette, IMAGE)).any(axis=2).mean()
        assert differing < 0.01, "our area filter rounds otherwise than OpenCV's in rare places"
    assert said == {True, False}, "a case whose verdict never changes shows nothing"
    assert (moved > 0) == (heads.get("classification_logic") in ("seg_head", "cls_and_seg", "cls_or_seg"))


def test_what_the_manifest_says_is_taken_over(tmp_path: Path) -> None:
    manifest = Served(imported(write_dda(tmp_path / "dda"), tmp_path / "models").folder).manifest
    assert (manifest.image.width, manifest.image.height) == IMAGE
    assert (manifest.input.width, manifest.input.height, manifest.input.resize) == (*INPUT, "area")
    assert manifest.threshold == 0.45
    assert [(label.name, label.color) for label in manifest.labels] == [
        ("background", "#FFFFFF"), ("rust", GREEN), ("ink", TEAL),
    ]  # fmt: skip
    assert len(manifest.golden) == 1
    assert manifest.training["imported"]["format"] == "dda"


def test_what_the_user_says_counts_more(tmp_path: Path) -> None:
    wanted = Wanted((200, 100), 0.25, (("a", "#102030"), ("b", "#405060")))
    manifest = Served(imported(write_dda(tmp_path / "dda"), tmp_path / "models", wanted).folder).manifest
    assert (manifest.image.width, manifest.image.height) == (200, 100)
    assert manifest.threshold == 0.25
    assert [label.name for label in manifest.labels] == ["background", "a", "b"]


@pytest.mark.parametrize(
    ("changes", "stage", "size", "notes"),
    [
        ({}, {}, IMAGE, 0),
        ({"dataset": None}, {"raw_image_shape": [80, 100, 3]}, (100, 80), 0),
        ({"dataset": None}, {"image_width": 96, "image_height": 64}, (96, 64), 1),
    ],
)
def test_where_the_size_of_the_pictures_comes_from(
    tmp_path: Path, changes: dict[str, Any], stage: dict[str, Any], size: tuple[int, int], notes: int
) -> None:
    graph = network(["mask", "score"], (stage.get("image_width", INPUT[0]), stage.get("image_height", INPUT[1])))
    result = imported(write_dda(tmp_path / "dda", graph=graph, changes=changes, **stage), tmp_path / "models")
    assert (result.manifest.image.width, result.manifest.image.height) == size
    assert len(result.notes) == notes


def test_a_batch_of_two_and_a_free_batch(tmp_path: Path) -> None:
    """The picture is given as often as the model wants it; the answer is the same."""
    answers = []
    for batch in (1, 2, "n"):
        graph = network(["mask", "score"], batch=batch)
        folder = imported(write_dda(tmp_path / f"dda{batch}", graph=graph), tmp_path / f"models{batch}").folder
        answers.append([served[0].score for served in map(Served(folder), pictures())])
    assert answers[0] == pytest.approx(answers[1], abs=1e-5)
    assert answers[0] == pytest.approx(answers[2], abs=1e-5)


def test_an_archive_and_the_package_of_the_portal(tmp_path: Path) -> None:
    """As a Greengrass artifact: a .zip; as DDA's portal keeps it: the model beside export_artifacts/manifest.json."""
    folder = write_dda(tmp_path / "dda")
    with zipfile.ZipFile(tmp_path / "part.zip", "w") as archive:
        for path in ("manifest.json", "mochi/model.onnx"):
            archive.write(folder / path, path)
    assert imported(tmp_path / "part.zip", tmp_path / "models").format == "dda"
    export = tmp_path / "portal" / "export_artifacts"
    export.mkdir(parents=True)
    (folder / "mochi" / "model.onnx").rename(export / "model.onnx")
    (folder / "manifest.json").rename(export / "manifest.json")
    assert imported(tmp_path / "portal", tmp_path / "models").format == "dda"


def stages(*changes: dict[str, Any], **graph: Any) -> dict[str, Any]:
    return {"model_graph": {"stages": [{**STAGE, **change} for change in changes], **graph}}


def named(*names: str) -> dict[str, Any]:
    return stages({}, pixel_level_classes={"names": ["background", *names], "normal_ids": [0]})


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (
        stages({}, {}, model_graph_type="two_stage_model_graph"),
        {},
        "'two_stage_model_graph', expected",
    ),
    (stages({}, {}), {}, "has 2 stages, expected 1"),
    (stages(), {}, "has 0 stages, expected 1"),
    (stages({}, model_graph_type="two_stage_model_graph_bbox"), {}, "bounding boxes"),
    ({}, {"type": "dango"}, "'dango' draws bounding boxes"),
    ({}, {"type": "yolo_object_detection"}, "detects objects"),
    ({}, {"transform_preprocessing": "polar_transform"}, "transforms pictures first"),
    ({}, {"preserve_aspect": True}, "pads pictures"),
    ({}, {"interpolation": 4}, r"interpolation is 4, expected one of \[0, 1, 2, 3\]"),
    ({"runtime": "dlr"}, {}, "compiled for one device"),
    ({"runtime": None}, {}, "compiled for one device"),
    ({}, {"threshold": None}, "missing required field 'threshold' at key 'model_graph.stages"),
    ({}, {"threshold": "high"}, r"Expected 'float', got 'str' at key 'model_graph.stages\[0\].threshold'"),
    ({}, {"threshold": 1.5}, "threshold is 1.5, expected 0..1"),
    ({}, {"classification_logic": "cls_xor_seg"}, "cls_xor_seg"),
    ({}, {"classification_logic": "seg_head", "threshold": 0.0}, "no score is below it"),
    ({}, {"class_normal_ids": [2]}, r"'class_normal_ids' is \[2\], the model's classes are 0 to 1"),
    ({}, {"class_normal_ids": []}, "'class_normal_ids' is "),
    ({}, {"class_normal_ids": [0, 1]}, "'class_normal_ids' is "),
    ({}, {"seg_normal_ids": [3]}, "'seg_normal_ids' is "),
    ({}, {"calibrated": True}, "'calibrated' is set without 'calibrator_scaling'"),
    ({}, {"segmentation_head_enabled": False}, "speaks of a score: expected mask"),
    ({}, {"image_width": 64}, "says NCHW 64x32: expected the same"),
    (
        {},
        {"type": "jalebi", "classification_head_enabled": None, "segmentation_head_enabled": None},
        "'jalebi' mean",
    ),
    ({"runtime_artifact": "../../x.onnx"}, {}, "leaves the component's folder"),
    ({"runtime_artifact": "other.onnx"}, {}, "has no model beside it"),
    ({"model_graph": []}, {}, "has no object 'model_graph'"),
    ({"dataset": {"image_width": 9999, "image_height": 80}}, {}, "expected 64 to 4096 pixels"),
    ({}, {"preprocessing": {"preserve_aspect": True}}, "pads pictures"),
    ({}, {"detection": {"preserve_aspect": True}}, "pads pictures"),
    ({}, {"image_width": -5}, "image_width and image_height are -5 and 32, expected 1 to 4096"),
    ({}, {"image_width": 2**31}, "are 2147483648 and 32, expected 1 to 4096"),
    ({}, {"image_height": 10**7}, "are 48 and 10000000, expected 1 to 4096"),
    ({}, {"classification_logic": "cls_xor"}, "is 'cls_xor', expected one of cls_head, seg_head, cls_and_seg, cls_or"),
    ({}, {"calibrated": True, "calibrator_scaling": 1e300, "calibrator_shift": 0}, "calibrator_scaling is 1e.300, exp"),
    ({}, {"seg_recall_bias": -1e300}, "seg_recall_bias is -1e.300, expected"),
    (named("rust", ""), {}, "pixel_level_classes has the name '', expected 1 to 64 printable characters; .* --label"),
    (named("r" * 65, "ink"), {}, "pixel_level_classes has the name 'rrr"),
    (named("a\nb", "ink"), {}, r"pixel_level_classes has the name 'a\\nb'"),
    (named("\x1b[2J", "ink"), {}, r"pixel_level_classes has the name '\\x1b\[2J'"),
]


@pytest.mark.parametrize(("changes", "stage", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
def test_what_can_not_be_taken_over_is_refused(
    tmp_path: Path, changes: dict[str, Any], stage: dict[str, Any], message: str
) -> None:
    folder = write_dda(tmp_path / "dda", changes=changes, **stage)
    with pytest.raises(ImportFailed, match=message) as caught:
        imported(folder, tmp_path / "models")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "models").exists()


def test_logic_without_seg_normal_ids_is_not_applied(tmp_path: Path) -> None:
    """DDA looks at the stage alone; the mask takes its normal classes from pixel_level_classes."""
    stage: dict[str, Any] = {"classification_logic": "seg_head", "seg_normal_ids": None}
    result = imported(write_dda(tmp_path / "dda", **stage), tmp_path / "models")
    assert len(result.notes) == 1
    assert "'seg_head' is not applied, as in DDA: the stage has no 'seg_normal_ids'" in result.notes[0]
    served = Served(result.folder)
    for picture in pictures():
        is_anomalous, score, _ = expected(picture)
        verdict, _ = served(picture)
        assert verdict.is_anomalous == is_anomalous
        assert verdict.score == pytest.approx(score, abs=2e-3)


def test_a_mask_of_one_class(tmp_path: Path) -> None:
    graph = model(
        [helper.make_node("ReduceMean", ["picture"], ["mask"], axes=[1], keepdims=1)],
        {"picture": [1, 3, INPUT[1], INPUT[0]]}, {"mask": [1, 1, INPUT[1], INPUT[0]]},
    )  # fmt: skip
    ids: list[int] | None
    for ids in ([], None):
        folder = write_dda(tmp_path / "dda", graph=graph, classification_head_enabled=False, seg_normal_ids=ids)
        with pytest.raises(ImportFailed, match="the mask 'mask' has 1 class, expected what is normal and at least"):
            imported(folder, tmp_path / "models")


def test_a_mask_without_pixels(tmp_path: Path) -> None:
    folder = write_dda(tmp_path / "dda", ["mask"], graph=empty_mask("picture"), classification_head_enabled=False)
    with pytest.raises(ImportFailed, match=r"answers with mask \[1, 3, 0, 48\], .* expected mask"):
        imported(folder, tmp_path / "models")


def test_a_threshold_that_is_0_at_four_decimals(tmp_path: Path) -> None:
    result = imported(write_dda(tmp_path / "dda", threshold=4e-5), tmp_path / "models")
    assert [note for note in result.notes if "the threshold is 0 at four decimals" in note]


def test_keys_that_are_null_or_empty(tmp_path: Path) -> None:
    folder = write_dda(tmp_path / "dda", raw_image_shape=[80, 100, 3], changes={"dataset": {}})
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["model_graph"]["stages"][0] |= {"max_val_score": None, "calibrated": False, "preserve_aspect": None}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    image = imported(folder, tmp_path / "models").manifest.image
    assert (image.width, image.height) == (100, 80)


def test_names_that_can_not_be_labels_are_replaced_by_those_of_the_user(tmp_path: Path) -> None:
    folder = write_dda(tmp_path / "dda", changes=named("", "x" * 99))
    wanted = Wanted(labels=(("a", "#102030"), ("b", "#405060")))
    manifest = imported(folder, tmp_path / "models", wanted).manifest
    assert [label.name for label in manifest.labels] == ["background", "a", "b"]


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    folder = write_dda(tmp_path / "dda")
    with pytest.raises(ImportFailed, match=r"--label was given for 1 .* the model tells 2 apart: rust, ink"):
        imported(folder, tmp_path / "models", Wanted(labels=(("a", "#102030"),)))
    with pytest.raises(ImportFailed, match="the same names twice"):
        imported(folder, tmp_path / "models", Wanted(labels=(("a", "#102030"), ("a", "#102031"))))
    bare = write_dda(tmp_path / "bare", ["score"], segmentation_head_enabled=False)
    with pytest.raises(ImportFailed, match="the model makes no mask"):
        imported(bare, tmp_path / "models", Wanted(labels=(("a", "#102030"),)))


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    folder = write_dda(tmp_path / "dda")
    for content in ("{", "[1]", "\xff", "[" * 100_000):
        (folder / "manifest.json").write_text(content, encoding="latin-1")
        with pytest.raises(ImportFailed):
            imported(folder, tmp_path / "models")
    (folder / "manifest.json").write_text(json.dumps(graph_manifest(STAGE)))
    (folder / "mochi" / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ImportFailed, match="is not an ONNX model"):
        imported(folder, tmp_path / "models")


def test_a_model_that_does_not_run(tmp_path: Path) -> None:
    node = helper.make_node("NoSuchOperator", ["picture"], ["score"])
    broken = model([node], {"picture": [1, 3, INPUT[1], INPUT[0]]}, {"score": [1, 2]})
    with pytest.raises(ImportFailed, match="uses the operator 'NoSuchOperator', which ONNX Runtime"):
        imported(write_dda(tmp_path / "dda", graph=broken), tmp_path / "models")
