"""What is written when a model is made: manifest, graph, golden samples, and what it was made from."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image as PilImage

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Example, LabelColor
from edge_agent.building.training.cores import side_by_side
from edge_agent.building.training.features import input_spec
from edge_agent.building.training.head import Head
from edge_agent.building.training.marks import SCORE
from edge_agent.component.manifest import (
    Artifact,
    Calibration,
    Golden,
    Image,
    Label,
    Manifest,
    MaskOutput,
    Outputs,
    ScoreOutput,
)
from edge_agent.component.writing import write_component
from edge_agent.inference.engines.engine import load_on_processor
from edge_agent.inference.host import HostPipeline
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.version import __version__

_MODEL = "model.onnx"
#: float arithmetic differs a little from processor to processor, and quantised arithmetic more
_TOLERANCE, _TOLERANCE_INT8 = 0.02, 0.06


class Identity(NamedTuple):
    """What the component is called."""

    name: str
    version: str
    description: str = ""


class Made(NamedTuple):
    """A finished model before it is written."""

    graph: bytes
    head: Head
    image_size: tuple[int, int]
    input_size: tuple[int, int]
    labels: tuple[LabelColor, ...]
    mask: MaskOutput | None
    precision: str
    training: dict[str, Any]


class Samples(NamedTuple):
    """Pictures that a component brings, by their paths in it, and what its model says of each."""

    files: dict[str, bytes]
    golden: tuple[Golden, ...]


def write(models: Path, identity: Identity, made: Made, samples: Samples) -> Path:
    """Write models/<name>/<version>/; return its folder.

    Raises:
        ComponentError: name or version is not allowed.
    """
    files = {_MODEL: made.graph, **samples.files}
    return write_component(models, files, golden=samples.golden, **_fields(identity, made))


def judge_samples(identity: Identity, made: Made, samples: Sequence[Example]) -> Samples:
    """Run the model on pictures that are to come with it; what is said of the training plays no part."""
    files = {}
    golden = []
    pipeline = _pipeline(made.graph, _fields(identity, made))
    pictures = [read_picture(example.path, example.pixel_format) for example in samples]
    encoded = side_by_side([partial(_encode, picture) for picture in pictures])
    for example, picture, content in zip(samples, pictures, encoded, strict=True):
        path = f"golden/{example.label}.png"
        files[path] = content
        verdict = pipeline.run(ArrayPixels(np.ascontiguousarray(picture))).verdict
        golden.append(
            Golden(
                image=path,
                score=verdict.score,
                areas={area.label: area.fraction for area in verdict.areas[1:]},
                tolerance=_TOLERANCE_INT8 if made.precision == "int8" else _TOLERANCE,
            )
        )
    return Samples(files, tuple(golden))


def _encode(picture: U8) -> bytes:
    encoded = io.BytesIO()
    # The default level: a seventh less, in three times the time.
    PilImage.fromarray(picture).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def choose_samples(examples: Sequence[Example], calibrated: Sequence[float], threshold: float) -> list[Example]:
    """Choose a picture of each label whose verdict is certain, so that another processor's rounding can't turn it."""
    chosen = []
    for label in (NORMAL, ANOMALY):
        margins = [
            ((threshold - score if label == NORMAL else score - threshold), number)
            for number, (example, score) in enumerate(zip(examples, calibrated, strict=True))
            if example.label == label
        ]
        if margins and max(margins)[0] > 0:
            chosen.append(examples[max(margins)[1]])
    return chosen


def _fields(identity: Identity, made: Made) -> dict[str, Any]:
    head = made.head
    segmentation = made.mask is not None
    return {
        "name": identity.name,
        "version": identity.version,
        "description": identity.description,
        "task": "segmentation" if segmentation else "classification",
        "image": Image(width=made.image_size[0], height=made.image_size[1]),
        "input": input_spec(*made.input_size),
        "outputs": Outputs(
            score=ScoreOutput(name=SCORE),
            mask=made.mask,
        ),
        "threshold": round(head.calibrated_threshold, 4),
        "calibration": Calibration(slope=head.slope, intercept=-head.slope * head.middle),
        "labels": (
            Label(name="background", color="#FFFFFF"),
            *(Label(name=label.name, color=label.color) for label in made.labels),
        )
        if segmentation
        else (),
        "training": {
            "tool": f"edge-agent {__version__}",
            "created": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **made.training,
        },
    }


def _pipeline(graph: bytes, fields: dict[str, Any]) -> HostPipeline:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _MODEL
        path.write_bytes(graph)
        engine = load_on_processor(path)
    # The digest plays no part in running it.
    artifact = Artifact(path=_MODEL, sha256="0" * 64)
    return HostPipeline(Manifest(format=1, artifacts=(artifact,), **fields), engine)
