"""Target: any bytes as manifest.json. They are a Manifest that survives writing, or one ComponentError says why not."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_agent.component.artifacts import check_artifacts
from edge_agent.component.manifest import decode_manifest, encode_manifest
from edge_agent.errors import ComponentError
from tests.fuzz.edits import edited
from tests.support.sentences import check_sentence

#: whole manifests, to begin with
EXAMPLES: tuple[dict[str, Any], ...] = (
    {
        "format": 1, "name": "cookies", "version": "1.0.0", "task": "segmentation",
        "image": {"width": 576, "height": 768},
        "input": {"name": "input", "width": 288, "height": 384, "scale": 1, "mean": [127, 127, 127], "std": [1, 1, 1]},
        "outputs": {"score": {"name": "score"}, "mask": {"name": "classes", "kind": "class_scores"}},
        "threshold": 0.5, "labels": [{"name": "background", "color": "#FFFFFF"}, {"name": "a", "color": "#23A436"}],
        "artifacts": [{"path": "model.onnx", "sha256": "0" * 64}, {"path": "golden/1.png", "sha256": "1" * 64}],
        "golden": [{"image": "golden/1.png", "score": 0.9, "is_anomalous": True, "areas": {"a": 0.1}}],
        "calibration": {"kind": "logistic", "slope": 2.0, "intercept": -1}, "training": {"figures": [1, 2]},
    },
    {
        "format": 1, "name": "plan", "version": "2.0.0-rc.1", "task": "classification", "model": "model.plan",
        "image": {"width": 64, "height": 64}, "input": {"name": "x", "width": 64, "height": 64, "dtype": "float16"},
        "outputs": {"score": {"name": "y", "index": 1}}, "threshold": 0, "precision": "fp16", "engines": ["tensorrt"],
        "artifacts": [{"path": "model.plan", "sha256": "a" * 64}], "$schema": "x", "model_arn": "arn:aws:x",
        "target": {"arch": "ARM64", "accelerator": "NVIDIA", "compiler_options": {
            "gpu-code": "sm_72", "trt-ver": "10.3", "cuda-ver": "12.6"}},
    },
)  # fmt: skip
_EMPTY = Path(tempfile.gettempdir()) / "no-component-is-here"


def seeds() -> Iterator[bytes]:
    """Whole manifests, and changes to them."""
    for number, example in enumerate(EXAMPLES):
        yield json.dumps(example).encode()
        yield bytes([number])
        yield bytes([number, 5, 5, 5])


def consume(data: bytes) -> None:
    """Read a manifest, as a file or as changes to an example."""
    if data[:1] in (b"\0", b"\1"):
        data = json.dumps(edited(EXAMPLES[data[0]], data[1:]), ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        manifest = decode_manifest(data, source="manifest.json")
        again = decode_manifest(encode_manifest(manifest), source="manifest.json")
    except ComponentError as error:
        check_sentence(error)
        return
    assert again == manifest
    inside = Path("/component")
    for path in [artifact.path for artifact in manifest.artifacts]:
        assert (inside / path).resolve().is_relative_to(inside), path
    try:  # what the catalogue does next
        check_artifacts(_EMPTY, manifest)
    except ComponentError as error:
        check_sentence(error)
