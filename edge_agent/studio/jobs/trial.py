"""A trial: `trial.py COMPONENT PICTURES.json FOLDER`, the verdicts of a model on pictures.

The same path from pixels to verdict as in the agent. Masks go to FOLDER/ID.png, indexed; verdicts are printed as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.building.datasets.dataset import parse_color
from edge_agent.building.evaluation.inspection import Component, load_component
from edge_agent.errors import EdgeAgentError, one_line
from edge_agent.inference.imaging.picture import pixel_format_of, read_picture
from edge_agent.inference.imaging.resize import ArrayPixels
from edge_agent.studio.store.masks import encode_mask
from edge_agent.studio.store.projects import Label


def main() -> None:
    """Entry point of the process."""
    component_folder, listed, masks = map(Path, sys.argv[1:4])
    try:
        pictures = json.loads(listed.read_bytes())
        component = load_component(component_folder)
        masks.mkdir(parents=True, exist_ok=True)
        found = []
        for number, (picture, path) in enumerate(pictures.items(), start=1):
            found.append(_try(component, picture, Path(path), masks))
            print(json.dumps({"progress": "inspecting", "done": number, "total": len(pictures)}), file=sys.stderr)  # noqa: T201
    except EdgeAgentError as error:
        sys.exit(f"edge-agent: {error}")
    labels = [{"name": label.name, "color": label.color} for label in component.manifest.labels[1:]]
    print(json.dumps({"labels": labels, "verdicts": found}))  # noqa: T201


def _try(component: Component, picture: str, path: Path, masks: Path) -> dict[str, Any]:
    try:
        pixels = np.ascontiguousarray(read_picture(path, pixel_format_of(component.manifest.training)))
        image = component.manifest.image
        if pixels.shape[:2] != (image.height, image.width):
            raise EdgeAgentError(
                f"{path.name} is {pixels.shape[1]}x{pixels.shape[0]}, the model was trained on "
                f"{image.width}x{image.height}"
            )
        inspection = component.pipeline.run(ArrayPixels(pixels))
    except EdgeAgentError as error:
        return {"id": picture, "problem": one_line(str(error))}
    verdict = inspection.verdict
    labels = [Label(label.name, label.color) for label in component.manifest.labels[1:]]
    if inspection.mask is not None:
        colored = np.frombuffer(b"".join(inspection.mask), np.uint8).reshape(pixels.shape)
        classes = np.zeros(pixels.shape[:2], np.uint8)
        for place, label in enumerate(labels, start=1):
            classes[(colored == np.array(parse_color(label.color), np.uint8)).all(axis=2)] = place
        if classes.any():
            (masks / f"{picture}.png").write_bytes(encode_mask(classes, labels))
    return {
        "id": picture,
        "problem": "",
        "score": verdict.score,
        "anomalous": verdict.is_anomalous,
        "areas": {area.label: area.fraction for area in verdict.areas[1:]},
    }
