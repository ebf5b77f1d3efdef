"""Reading one picture and its mask, and what is wrong with it by itself."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable

import numpy as np

from edge_agent.building.datasets.checks.places import place_of
from edge_agent.building.datasets.checks.report import Seen, Traits
from edge_agent.building.datasets.dataset import NORMAL, Example
from edge_agent.building.datasets.masks import Mask, read_mask
from edge_agent.building.datasets.reasons import Reason
from edge_agent.errors import DatasetError, InvalidRequest
from edge_agent.inference.imaging.bayer import looks_like_mosaic
from edge_agent.inference.imaging.bitmap import MAX_SIDE, MIN_SIDE
from edge_agent.inference.imaging.fingerprint import fingerprint
from edge_agent.inference.imaging.picture import has_transparent_pixels, read_with_peak
from edge_agent.inference.imaging.picture_file import PictureFile, examine
from edge_agent.inference.imaging.resize import U8


def look(
    example: Example, labels: tuple[str, ...], *, masks: bool = True, on_picture: Callable[[U8], None] | None = None
) -> Seen:
    """Read a picture and, where masks matter, its mask once. `labels` are the names of all labels of the dataset;
    `on_picture` is given the picture's pixels, if they can be read."""
    seen = _picture(example, on_picture)
    if seen.problem or example.mask is None or not masks:
        return seen
    return _mask(seen, labels)


def _picture(example: Example, on_picture: Callable[[U8], None] | None) -> Seen:
    seen = Seen(example, None, "", {}, None)
    places = (place_of(example),)
    try:
        file = examine(example.path)
        width, height = file.shown
        if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):  # before anything is decoded
            limits = {"path": example.path, "width": width, "height": height, "least": MIN_SIDE, "most": MAX_SIDE}
            return seen._replace(problem=Reason("picture-limits", "broken", places=places, facts=limits))
        picture, peak = read_with_peak(file, example.pixel_format)
        traits = _traits(file, picture, peak, example)
    except (DatasetError, InvalidRequest) as error:
        return seen._replace(problem=Reason("picture-unreadable", "broken", places=places, facts={"error": str(error)}))
    full = (1 << example.pixel_format.bits) - 1
    if traits.peak > full:
        facts = {"path": example.path, "peak": traits.peak, "full": full, "bits": example.pixel_format.bits}
        return seen._replace(problem=Reason("picture-exceeds", "broken", places=places, facts=facts))
    if on_picture:
        on_picture(picture)
    digest = hashlib.sha256(f"{width}x{height}".encode() + picture.tobytes()).hexdigest()
    return Seen(example, (width, height), digest, {}, None, traits)


def _traits(file: PictureFile, picture: U8, peak: int, example: Example) -> Traits:
    return Traits(
        file,
        peak,
        file.is_grey and not example.pixel_format.bayer and looks_like_mosaic(picture[..., 0]),
        file.has_alpha and file.depth == 8 and has_transparent_pixels(file),
        fingerprint(picture),
    )


def _mask(seen: Seen, labels: tuple[str, ...]) -> Seen:
    file = seen.example.mask
    assert file is not None
    places = (place_of(seen.example),)
    try:
        mask = read_mask(file, labels)
    except DatasetError as error:
        return seen._replace(problem=Reason("mask-unreadable", "broken", places=places, facts={"error": str(error)}))
    assert seen.traits is not None
    with contextlib.suppress(InvalidRequest):  # read_mask has read it
        seen = seen._replace(traits=seen.traits._replace(mask_orientation=examine(file.path).orientation))
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
