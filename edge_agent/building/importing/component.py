"""From a draft to a component that is known to load and to answer."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image as PilImage

from edge_agent.building.importing.draft import Draft
from edge_agent.building.importing.onnx_model import MODEL, encode, load
from edge_agent.building.importing.sizes import check_image
from edge_agent.component.manifest import Artifact, Golden, Image, Manifest, Outputs
from edge_agent.component.writing import write_component
from edge_agent.errors import ComponentError, EngineFailed, ImportFailed
from edge_agent.inference.engines.engine import Engine
from edge_agent.inference.host import HostPipeline
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.inference.imaging.tensor import Tensor
from edge_agent.inference.verdict import Verdict
from edge_agent.version import __version__

_GOLDEN = "golden/blocks.png"
#: blocks of colour a side: detail for the model, and a small file
_BLOCKS = 16
#: float arithmetic differs a little from processor to processor
_TOLERANCE = 0.02


class Identity(NamedTuple):
    """What the component is called."""

    name: str
    version: str
    description: str = ""


class Imported(NamedTuple):
    """A component that was written, and the score of its golden sample before calibration."""

    folder: Path
    manifest: Manifest
    raw_score: float


class _Watched:
    """An engine that keeps the score it gave, and refuses one that is infinite."""

    def __init__(self, engine: Engine, index: int) -> None:
        self._engine, self._index = engine, index
        self.signature = engine.signature
        self.raw_score = math.nan

    def run(self, name: str, tensor: Tensor, outputs: list[str]) -> list[Tensor]:
        results = self._engine.run(name, tensor, outputs)
        self.raw_score = float(results[0].reshape(-1)[self._index])
        if math.isinf(self.raw_score):
            raise EngineFailed("the model's score is infinite")
        return results


def write(models: Path, identity: Identity, draft: Draft, origin: dict[str, Any]) -> Imported:
    """Run the model once through the agent's own pipeline and write the component, whole or not at all.

    The picture and its answer become the golden sample, so that a device compares before it serves.

    Raises:
        ImportFailed: it does not load, does not answer, or what the user said makes no manifest.
    """
    check_image(draft.image)
    fields = _fields(identity, draft, origin)
    picture = draw_blocks(*draft.image)
    try:
        verdict, raw_score = _prove(draft, fields, picture)
        encoded = io.BytesIO()
        PilImage.fromarray(picture).save(encoded, "PNG")
        golden = Golden(
            image=_GOLDEN,
            score=verdict.score,
            areas={area.label: area.fraction for area in verdict.areas[1:]},
            tolerance=_TOLERANCE,
        )
        files = {MODEL: encode(draft.model), _GOLDEN: encoded.getvalue()}
        folder = write_component(models, files, golden=(golden,), **fields)
    except (ComponentError, EngineFailed, ValueError) as error:
        raise ImportFailed(f"the model can't be made a component: {error}") from None
    return Imported(folder, Manifest(format=1, artifacts=(_MODEL_ARTIFACT,), **fields), raw_score)


def draw_blocks(width: int, height: int) -> U8:
    """Draw the picture that every imported model is tried with: blocks of colour, the same ones each time."""
    blocks = np.random.default_rng(0).integers(0, 256, (_BLOCKS, _BLOCKS, 3), np.uint8)
    return np.ascontiguousarray(cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST))


# The digest plays no part in running it.
_MODEL_ARTIFACT = Artifact(path=MODEL, sha256="0" * 64)


def _prove(draft: Draft, fields: dict[str, Any], picture: U8) -> tuple[Verdict, float]:
    engine = _Watched(load(draft.model), draft.score.index)
    pipeline = HostPipeline(Manifest(format=1, artifacts=(_MODEL_ARTIFACT,), **fields), engine)
    return pipeline.run(ArrayPixels(picture)).verdict, engine.raw_score


def _fields(identity: Identity, draft: Draft, origin: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": identity.name,
        "version": identity.version,
        "description": identity.description,
        "task": "segmentation" if draft.mask else "classification",
        "image": Image(width=draft.image[0], height=draft.image[1]),
        "input": draft.input,
        "outputs": Outputs(score=draft.score, mask=draft.mask),
        "threshold": draft.threshold,
        "calibration": draft.calibration,
        "labels": draft.labels,
        "training": {"tool": f"edge-agent {__version__}", "imported": {**origin, **draft.origin}},
    }
