"""The manifest format: what is accepted, and that every refusal names the key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_agent.component.manifest import decode_manifest, encode_manifest, manifest_schema
from edge_agent.errors import ComponentError

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "manifest.schema.json"


def example() -> dict[str, Any]:
    return {
        "format": 1,
        "name": "cookies",
        "version": "1.0.0",
        "task": "segmentation",
        "image": {"width": 576, "height": 768},
        "input": {"name": "input", "width": 288, "height": 384, "scale": 1, "mean": [127, 127, 127], "std": [128] * 3},
        "outputs": {"score": {"name": "score"}, "mask": {"name": "classes", "kind": "class_scores"}},
        "threshold": 0.5,
        "labels": [{"name": "background", "color": "#FFFFFF"}, {"name": "cracked", "color": "#23A436"}],
        "artifacts": [{"path": "model.onnx", "sha256": "0" * 64}],
    }


def _decode(document: dict[str, Any]) -> Any:
    return decode_manifest(json.dumps(document).encode(), source="manifest.json")


def test_a_manifest_survives_writing_and_reading() -> None:
    manifest = _decode(example())
    assert decode_manifest(encode_manifest(manifest), source="x") == manifest


def _set(path: str, value: Any) -> dict[str, Any]:
    document = example()
    *parents, last = path.split(".")
    at: Any = document
    for parent in parents:
        at = at[int(parent)] if parent.isdigit() else at[parent]
    at[int(last) if last.isdigit() else last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("format", 2, "at key 'format'"),
        ("version", "1.0", "'1.0' is not a semantic version, expected one such as 1.0.0"),
        ("name", "a/b", "'a/b' can't be the name of a model component"),
        ("task", "detection", "Invalid enum value 'detection' at key 'task'"),
        ("image.width", 63, "Expected 'int' >= 64 at key 'image.width'"),
        ("image.height", 4097, "at key 'image.height'"),
        ("image", {"width": 64}, "missing required field 'height' at key 'image'"),
        ("input.resize", "lanczos", "at key 'input.resize'"),
        ("input.std", [1, 0, 1], "std not 0 at key 'input'"),
        ("input.mean", [1, 2], "at key 'input.mean'"),
        ("input.dtype", "uint8", "a uint8 input takes the pixels as they are"),
        ("outputs.mask.kind", "heat", "at key 'outputs.mask.kind'"),
        ("outputs.mask.kind", "anomaly_map", None),
        ("outputs.mask", None, "a segmentation model needs outputs.mask"),
        ("threshold", 1.5, "at key 'threshold'"),
        ("threshold", "0.5", "Expected 'float', got 'str' at key 'threshold'"),
        ("labels", [], "needs labels: the background with color #FFFFFF, then at least one"),
        ("labels.0.color", "#000000", "the background with color #FFFFFF"),
        ("labels.1.color", "green", "at key 'labels[1].color'"),
        ("labels.1.color", "#ffffff", "labels have the same colors twice"),
        ("labels.1.name", "background", "labels have the same names twice"),
        ("artifacts", [], "at key 'artifacts'"),
        ("artifacts.0.sha256", "abc", "at key 'artifacts[0].sha256'"),
        ("artifacts.0.path", "/etc/passwd", "path '/etc/passwd' leaves the component's folder"),
        ("artifacts.0.path", "../model.onnx", "leaves the component's folder"),
        ("model", "other.onnx", "'other.onnx' is not among the artifacts ['model.onnx']"),
        ("golden", [{"image": "g.png", "score": 1, "is_anomalous": True}], "'g.png' is not among the artifacts"),
        ("treshold", 0.5, "unknown field 'treshold'"),
        ("task", "classification", "a classification model has neither outputs.mask nor labels"),
    ],
)
def test_a_refusal_names_what_is_wrong(path: str, value: Any, said: str | None) -> None:
    if said is None:
        _decode(_set(path, value))
        return
    with pytest.raises(ComponentError) as refused:
        _decode(_set(path, value))
    assert str(refused.value).startswith("manifest.json: ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"{" * 100_000, b"[" * 100_000])
def test_what_is_not_a_manifest_at_all(data: bytes) -> None:
    with pytest.raises(ComponentError, match=r"manifest\.json"):
        decode_manifest(data, source="manifest.json")


def test_the_workers_are_the_manifests_or_the_agents() -> None:
    manifest = _decode(example())
    assert manifest.workers(3) == 3
    assert b"instances" not in encode_manifest(manifest)  # agents before this one refuse keys that they do not know
    assert _decode(example() | {"instances": 2}).workers(3) == 2


def test_an_anomaly_map_has_two_labels() -> None:
    document = _set("outputs.mask.kind", "anomaly_map")
    document["labels"].append({"name": "dent", "color": "#FF0000"})
    with pytest.raises(ComponentError, match="an anomaly_map tells 2 labels apart, not 3"):
        _decode(document)


def test_the_published_schema_accepts_what_the_reader_accepts_and_refuses_what_it_refuses() -> None:
    published = json.loads(SCHEMA.read_text())
    assert published == json.loads(json.dumps(manifest_schema())), "run make generated"
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.validate(example(), published)
    jsonschema.validate(json.loads(encode_manifest(_decode(example()))), published)
    for path, value in (("image.width", 63), ("task", "detection"), ("treshold", 1), ("labels.1.color", "green")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(_set(path, value), published)
