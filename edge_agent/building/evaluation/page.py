"""One HTML page with everything in it: figures, curves, a threshold to move, and every picture, wrong ones first."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from edge_agent.building.datasets.dataset import ANOMALY, Rgb, parse_color
from edge_agent.building.evaluation.inspection import Inspected
from edge_agent.building.evaluation.results import Evaluation
from edge_agent.inference.imaging.overlay import layer
from edge_agent.inference.imaging.resize import U8

_TEMPLATE = Path(__file__).with_name("page.html")
_SIDE = 300  # pixels of a picture on the page
_MOST = 400  # right verdicts that are shown; wrong ones always are


class Gallery:
    """Collects small copies of pictures and masks while a model is measured."""

    def __init__(self, colors: list[str]) -> None:
        self._colors = [parse_color(color) for color in colors]
        self._shown = 0
        self.entries: list[dict[str, Any]] = []

    def add(self, item: Inspected, picture: U8, mask: U8 | None, truth: U8 | None) -> None:
        """Take what was seen of one picture."""
        entry: dict[str, Any] = {
            "name": item.example.path.name,
            "anomalous": item.example.label == ANOMALY,
            "score": item.verdict.score,
            "areas": "".join(f", {area.label} {area.fraction:.2%}" for area in item.verdict.areas[1:]),
            "bare": len(item.verdict.areas) == 1,
        }
        if not item.is_right or self._shown < _MOST:
            self._shown += item.is_right
            scale = _SIDE / max(picture.shape[:2])
            size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
            entry["src"] = _data_uri(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), "JPEG")
            if mask is not None:
                entry["predicted"] = self._overlay(_classes(mask, self._colors), size)
            if truth is not None:
                entry["truth"] = self._overlay(truth, size)
        self.entries.append(entry)

    def _overlay(self, classes: U8, size: tuple[int, int]) -> str | None:
        if not classes.any():
            return None
        return _data_uri(
            layer(np.asarray(cv2.resize(classes, size, interpolation=cv2.INTER_NEAREST), np.uint8), self._colors), "PNG"
        )


def write_page(evaluation: Evaluation, gallery: Gallery, path: Path) -> None:
    """Write the page."""
    manifest = evaluation.inspections.component.manifest
    colors = {label.name: label.color for label in manifest.labels}
    count = len(evaluation.inspections.items)
    anomalous = sum(item.example.label == ANOMALY for item in evaluation.inspections.items)
    data = {
        "name": manifest.name,
        "version": manifest.version,
        "about": f"{manifest.task}, pictures of {manifest.image.width}x{manifest.image.height}, measured on "
        f"{count - anomalous} normal and {anomalous} anomalous pictures; "
        f"{evaluation.inspections.seconds * 1000:.1f} ms a picture on this machine",
        "notes": evaluation.circumstances.sentences,
        "threshold": manifest.threshold,
        "marks": len(manifest.labels) > 1,
        "roc_auc": evaluation.classification.roc_auc,
        "average_precision": evaluation.classification.average_precision,
        "intervals": evaluation.intervals._asdict(),
        "pixels": [{**pixels._asdict(), "color": colors[pixels.label]} for pixels in evaluation.pixels],
        "pictures": gallery.entries,
    }
    # Inside a script element only "<" could end it early.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    path.write_text(_TEMPLATE.read_text(encoding="utf-8").replace("__DATA__", text), encoding="utf-8")


def _classes(mask: U8, colors: list[Rgb]) -> U8:
    classes = np.zeros(mask.shape[:2], np.uint8)
    for number, color in enumerate(colors, start=1):
        classes[(mask == color).all(axis=2)] = number
    return classes


def _data_uri(pixels: Any, kind: str) -> str:
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, kind, quality=82, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(encoded.getvalue()).decode()}"
