"""From a draft to a component that is known to load and to answer."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import msgspec
import numpy as np
from PIL import Image as PilImage

from edge_agent.building.importing.draft import Draft
from edge_agent.building.importing.onnx_model import MODEL, encode, load
from edge_agent.building.importing.probing import (
    FLAGS,
    KEYS,
    Scored,
    Way,
    draw_probes,
    fault_of,
    scores_of,
    ways_that_spread,
)
from edge_agent.building.importing.sizes import check_image
from edge_agent.component.manifest import Artifact, Golden, Image, Input, Manifest, Outputs
from edge_agent.component.writing import write_component
from edge_agent.errors import ComponentError, EngineFailed, ImportFailed
from edge_agent.inference.engines.engine import Engine
from edge_agent.inference.engines.onnx_chance import blame, find_chance
from edge_agent.inference.engines.onnx_int8 import REMEDY, WIDE, has_wide_int8
from edge_agent.inference.host import HostPipeline
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.inference.imaging.tensor import Tensor
from edge_agent.inference.steadiness import differs
from edge_agent.inference.verdict import Verdict
from edge_agent.version import __version__

_GOLDEN = "golden/blocks.png"
#: blocks of colour a side: detail for the model, and a small file
_BLOCKS = 16
#: float arithmetic differs a little from processor to processor
_TOLERANCE = 0.02
#: a processor calculates the same twice, to the last bit
_STEADY = 1e-5


class Identity(NamedTuple):
    """What the component is called."""

    name: str
    version: str
    description: str = ""


class Imported(NamedTuple):
    """A component that was written, its golden sample's score before calibration, and what the user should know."""

    folder: Path
    manifest: Manifest
    raw_score: float
    notes: tuple[str, ...] = ()
    #: its answers hardly depend on the picture
    is_doubtful: bool = False


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
    """Run the model through the agent's own pipeline and write the component, whole or not at all.

    A picture and its answer become the golden sample, so that a device compares before it serves.

    Raises:
        ImportFailed: it does not load, does not answer, answers by chance, or what the user said makes no manifest.
    """
    check_image(draft.image)
    fields = _fields(identity, draft, origin)
    picture = draw_blocks(*draft.image)
    try:
        data = encode(draft.model)
        proof = _Proof(draft, fields)
        verdict, raw_score, notes = proof.prove(picture, data)
        encoded = io.BytesIO()
        PilImage.fromarray(picture).save(encoded, "PNG")
        golden = Golden(
            image=_GOLDEN,
            score=verdict.score,
            areas={area.label: area.fraction for area in verdict.areas[1:]},
            tolerance=_TOLERANCE,
        )
        folder = write_component(models, {MODEL: data, _GOLDEN: encoded.getvalue()}, golden=(golden,), **fields)
    except (ComponentError, EngineFailed, ValueError) as error:
        raise ImportFailed(f"the model can't be made a component: {error}") from None
    return Imported(
        folder, Manifest(format=1, artifacts=(_MODEL_ARTIFACT,), **fields), raw_score, notes, proof.is_doubtful
    )


def draw_blocks(width: int, height: int) -> U8:
    """Draw the picture that every imported model is tried with: blocks of colour, the same ones each time."""
    blocks = np.random.default_rng(0).integers(0, 256, (_BLOCKS, _BLOCKS, 3), np.uint8)
    return np.ascontiguousarray(cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST))


# The digest plays no part in running it.
_MODEL_ARTIFACT = Artifact(path=MODEL, sha256="0" * 64)


class _Proof:
    """A model that is run before it is written."""

    def __init__(self, draft: Draft, fields: dict[str, Any]) -> None:
        self._draft, self._fields = draft, fields
        self._engine = _Watched(load(draft.model), draft.score.index)
        self._pipeline = self._fed(draft.input)
        self.is_doubtful = False

    def prove(self, picture: U8, data: bytes) -> tuple[Verdict, float, tuple[str, ...]]:
        """Give the answer to the picture, the score before calibration, and what the user should know.

        Raises:
            ComponentError: the answer is another one each time.
            EngineFailed: there is none.
        """
        probes = draw_probes(*self._draft.image)
        try:
            verdict = self._pipeline.run(ArrayPixels(picture)).verdict
        except EngineFailed as error:
            raise EngineFailed(f"{error}{self._ways({'blocks': picture, **probes})}") from None
        raw_score = self._engine.raw_score
        scores = scores_of(self._score, probes)
        again = self._pipeline.run(ArrayPixels(picture)).verdict
        apart = abs(self._engine.raw_score - raw_score)
        difference = differs(verdict, again, _STEADY)
        if not difference and apart > _STEADY * max(1.0, abs(raw_score)):
            difference = f"scores {raw_score:.4g} and then {self._engine.raw_score:.4g}"
        if not difference and find_chance(data):
            difference = self._differs_again(scores, probes)
        if difference:
            raise ComponentError(f"the same picture {difference}, with others between: {blame(find_chance(data))}")
        return verdict, raw_score, tuple(self._notes({"blocks": verdict.score, **scores}, probes, data))

    def _differs_again(self, scores: Mapping[str, float], probes: Mapping[str, U8]) -> str:
        """Say how another answer to one of the trial pictures differs: two answers by chance can happen to be alike."""
        for name, before in scores.items():
            if not math.isnan(before) and abs((again := self._score(probes[name])) - before) > _STEADY:
                return f"scores {before:.4f} and then {again:.4f}"
        return ""

    def _notes(self, scores: dict[str, float], probes: Mapping[str, U8], data: bytes) -> Iterator[str]:
        fault = fault_of(scores, is_yes_or_no=self._draft.is_yes_or_no)
        if fault:
            self.is_doubtful = True
            yield f"{fault}{self._ways(probes)}"
        without = [name for name, score in scores.items() if math.isnan(score)]
        if without and not fault:
            yield (
                f"the model answers {len(without)} of {len(scores)} trial pictures with what is no number "
                f"({', '.join(without)}): a call with such a picture ends with an error"
            )
        if has_wide_int8(data):
            yield f"{WIDE}: there the agent has ONNX Runtime multiply exactly, which is slower; {REMEDY} to avoid that"
        nodes = find_chance(data)
        if nodes:
            yield f"the answers to trial pictures were the same twice, though {blame(nodes)}"

    def _score(self, picture: U8) -> float:
        return self._pipeline.run(ArrayPixels(picture)).verdict.score

    def _ways(self, probes: Mapping[str, U8]) -> str:
        """Say how the model has to be fed so that its scores spread."""
        spec, is_dda = self._draft.input, self._draft.stage_keys
        if spec.dtype == "uint8":
            ways: Sequence[Way] = [Way(spec.scale, spec.mean, spec.std, "")]
        else:
            ways = KEYS if is_dda else FLAGS
        bgr = (
            "the channels in the order B, G, R" if is_dda else "no --bgr" if self._draft.origin.get("bgr") else "--bgr"
        )
        return ways_that_spread(self._scored_by, probes, spec, ways, bgr)

    def _scored_by(self, way: Way, is_changed: bool) -> Scored:
        order = slice(None, None, -1) if is_changed else slice(None)
        spec = self._draft.input
        if spec.dtype != "uint8":
            scaled = {"scale": way.scale, "mean": way.mean[order], "std": way.std[order]}
            spec = msgspec.structs.replace(spec, **scaled)
        pipeline = self._fed(spec)

        def score(picture: U8) -> float:
            return pipeline.run(ArrayPixels(np.ascontiguousarray(picture[..., order]))).verdict.score

        return score

    def _fed(self, spec: Input) -> HostPipeline:
        fields = {**self._fields, "input": spec}
        return HostPipeline(Manifest(format=1, artifacts=(_MODEL_ARTIFACT,), **fields), self._engine)


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
