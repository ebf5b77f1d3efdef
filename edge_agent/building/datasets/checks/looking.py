"""Reading one picture and its mask, and what is wrong with it by itself."""

from __future__ import annotations

import hashlib

import numpy as np

from edge_agent.building.datasets.checks.report import Seen
from edge_agent.building.datasets.dataset import NORMAL, Example
from edge_agent.building.datasets.masks import Mask, read_mask
from edge_agent.building.datasets.reasons import Place, Reason
from edge_agent.errors import DatasetError, InvalidRequest
from edge_agent.inference.imaging.bitmap import MAX_SIDE, MIN_SIDE
from edge_agent.inference.imaging.picture import read_picture


def look(example: Example, labels: tuple[str, ...], *, masks: bool = True) -> Seen:
    """Read a picture and, where masks matter, its mask once. `labels` are the names of all labels of the dataset."""
    seen = _picture(example)
    if seen.problem or example.mask is None or not masks:
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
    file = seen.example.mask
    assert file is not None
    places = (place_of(seen.example),)
    try:
        mask = read_mask(file, labels)
    except DatasetError as error:
        return seen._replace(problem=Reason("mask-unreadable", "broken", places=places, facts={"error": str(error)}))
    counts = np.bincount(mask.classes.reshape(-1), minlength=len(labels) + 1)
    areas = {name: int(counts[i]) for i, name in enumerate(labels, start=1) if counts[i]}
    wrong = _wrong(seen, mask, areas)
    if wrong is None:
        return seen._replace(areas=areas if seen.example.label != NORMAL else {})
    return seen._replace(problem=wrong._replace(places=places))


def _wrong(seen: Seen, mask: Mask, areas: dict[str, int]) -> Reason | None:
    """Say what is wrong with a mask that was read. One that marks nothing may have any size."""
    example, file, size = seen.example, seen.example.mask, seen.size
    assert file is not None
    assert size is not None
    if mask.undeclared:
        facts = {"path": file.path, "declared": file.declared}
        return Reason("mask-colours", "broken", ", ".join(mask.undeclared), facts=facts)
    height, width = mask.classes.shape
    if areas and (width, height) != size:
        if mask.uniform and example.label == NORMAL:
            return None  # a dummy
        found = {"found": f"{width}x{height}", "expected": f"{size[0]}x{size[1]}"}
        return Reason("mask-size", "broken", facts={"path": file.path, "picture": example.path.name, **found})
    if areas and example.label == NORMAL:
        return Reason("mask-on-normal", "broken", ", ".join(areas), facts={"path": example.path})
    return None
