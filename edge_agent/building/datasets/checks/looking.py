"""Reading one picture and its mask, and what is wrong with it by itself."""

from __future__ import annotations

import hashlib

import numpy as np

from edge_agent.building.datasets.checks.report import Seen
from edge_agent.building.datasets.dataset import NORMAL, Example
from edge_agent.building.datasets.masks import read_mask
from edge_agent.building.datasets.reasons import Place, Reason
from edge_agent.errors import DatasetError, InvalidRequest
from edge_agent.inference.imaging.bitmap import MAX_SIDE, MIN_SIDE
from edge_agent.inference.imaging.picture import read_picture


def look(example: Example, labels: tuple[str, ...]) -> Seen:
    """Read a picture and its mask once. `labels` are the names of all labels of the dataset."""
    seen = _picture(example)
    if seen.problem or example.mask is None:
        return seen
    return _mask(seen, labels)


def place_of(example: Example) -> Place:
    """Say where a picture stands."""
    return Place(example.source, example.number, example.path)


def _picture(example: Example) -> Seen:
    seen = Seen(example, None, "", {}, None)
    places = (place_of(example),)
    try:
        picture = read_picture(example.path)
    except (DatasetError, InvalidRequest) as error:
        return seen._replace(problem=Reason("picture-unreadable", "broken", places=places, facts={"error": str(error)}))
    height, width, _ = picture.shape
    if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
        limits = {"path": example.path, "width": width, "height": height, "least": MIN_SIDE, "most": MAX_SIDE}
        return seen._replace(problem=Reason("picture-limits", "broken", places=places, facts=limits))
    digest = hashlib.sha256(f"{width}x{height}".encode() + picture.tobytes()).hexdigest()
    return Seen(example, (width, height), digest, {}, None)


def _mask(seen: Seen, labels: tuple[str, ...]) -> Seen:
    example = seen.example
    assert example.mask is not None
    assert seen.size is not None
    width, height = seen.size
    places = (place_of(example),)
    try:
        mask = read_mask(example.mask, labels)
    except DatasetError as error:
        return seen._replace(problem=Reason("mask-unreadable", "broken", places=places, facts={"error": str(error)}))
    if mask.classes.shape != (height, width):
        facts = {
            "path": example.mask.path,
            "found": f"{mask.classes.shape[1]}x{mask.classes.shape[0]}",
            "picture": example.path.name,
            "expected": f"{width}x{height}",
        }
        return seen._replace(problem=Reason("mask-size", "broken", places=places, facts=facts))
    if mask.undeclared:
        declared = ", ".join(
            f"{name or 'BACKGROUND'} #{r:02x}{g:02x}{b:02x}" for name, (r, g, b) in example.mask.colors.items()
        )
        facts = {"path": example.mask.path, "declared": declared}
        colors = ", ".join(mask.undeclared)
        return seen._replace(problem=Reason("mask-colours", "broken", colors, places=places, facts=facts))
    counts = np.bincount(mask.classes.reshape(-1), minlength=len(labels) + 1)
    areas = {name: int(counts[i]) for i, name in enumerate(labels, start=1) if counts[i]}
    if areas and example.label == NORMAL:
        shown = ", ".join(areas)
        facts = {"path": example.path}
        return seen._replace(problem=Reason("mask-on-normal", "broken", shown, places=places, facts=facts))
    return seen._replace(areas=areas)
