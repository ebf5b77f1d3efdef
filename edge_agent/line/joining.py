"""Many answers become one: of a model's tiles, and of several models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np

from edge_agent.client.detection import U8, Detection
from edge_agent.inference.verdict import Area
from edge_agent.line.views import View

_WHITE = 255
_BACKGROUND = ("background", "#FFFFFF")
#: for a label whose own colour is another's already
_COLORS = ("#23A436", "#E0701A", "#7B3FE4", "#0091D5", "#C2185B", "#8D6E00")

Join = Literal["any", "all"]


class Seen(NamedTuple):
    """A look at a picture, and its answer."""

    view: View
    detection: Detection


def join(seen: Sequence[Seen], size: tuple[int, int], how: Join) -> tuple[Detection, list[Detection]]:
    """Join answers for looks at a picture of `size`, height and width: one answer, and that of each model.

    A model's tiles: anomalous when one is. Several models: anomalous when `any` is, or when `all` are. Confidence,
    score and threshold are those of the look that decided: the surest anomalous, or the least sure normal one, for
    `any`; the other way round for `all`. Areas are fractions of the whole picture, and the mask is of its size.
    """
    if len(seen) == 1 and (seen[0].view.region.height, seen[0].view.region.width) == size:
        only = seen[0].detection
        if only.mask is None or only.mask.shape[:2] == size:
            return only, [only]
    by_model: dict[int, list[Seen]] = {}
    for each in seen:
        by_model.setdefault(each.view.model, []).append(each)
    models = [_deciding([each.detection for each in mine], "any") for mine in by_model.values()]
    deciding = _deciding(models, how)
    mask, areas = _stitched(seen, size)
    return deciding._replace(mask=mask, areas=areas), models


def _deciding(detections: Sequence[Detection], how: Join) -> Detection:
    # For `all`, normal is what one answer is enough for.
    enough = [one for one in detections if one.is_anomalous == (how == "any")]
    if enough:
        return max(enough, key=lambda one: one.confidence)
    return min(detections, key=lambda one: one.confidence)


def _stitched(seen: Sequence[Seen], size: tuple[int, int]) -> tuple[U8 | None, tuple[Area, ...]]:
    """Lay the masks of all looks over each other; what one of them marked stays marked."""
    if all(each.detection.mask is None for each in seen):
        return None, ()
    labels: dict[str, str] = {}
    classes = np.zeros(size, np.uint8)
    for each in seen:
        if each.detection.mask is None:
            continue
        region = each.view.region
        there = classes[region.y : region.y + region.height, region.x : region.x + region.width]
        for area in each.detection.areas[1:]:
            number = _number(labels, area)
            marked = np.all(each.detection.mask == _rgb(area.color), axis=2).astype(np.uint8)
            if marked.shape != there.shape:
                marked = cv2.resize(marked, (region.width, region.height), interpolation=cv2.INTER_NEAREST)
            there[(marked > 0) & (there == 0)] = number
    palette = np.full((len(labels) + 1, 3), _WHITE, np.uint8)
    counts = np.bincount(classes.ravel(), minlength=len(labels) + 1) / classes.size
    areas = [Area(*_BACKGROUND, float(counts[0]))]
    for number, (label, color) in enumerate(labels.items(), 1):
        palette[number] = _rgb(color)
        if counts[number]:
            areas.append(Area(label, color, float(counts[number])))
    return palette[classes], tuple(areas)


def _number(labels: dict[str, str], area: Area) -> int:
    """Give the number of a label, which gets a colour that no other has."""
    if area.label not in labels:
        free = (color for color in (area.color, *_COLORS) if color not in labels.values())
        labels[area.label] = next(free, area.color)
    return list(labels).index(area.label) + 1


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
