"""metadata.json, which anomalib 0.x and 1.x write beside an export: thresholds, how scores become 0..1, transforms.

What its keys mean was read from src/anomalib/deploy/ of those versions: inferencers/base_inferencer.py (which of them
normalise), openvino_inferencer.py (what is the score), export.py (what is written), and the formulas from
post_processing/normalization (0.x) and utils/normalization (1.x).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edge_agent.building.importing.draft import Rgb, Size
from edge_agent.building.importing.json_file import read_json
from edge_agent.errors import ImportFailed

METADATA = "metadata.json"
_THRESHOLD = "image_threshold"
_FILTERS: dict[int, Literal["nearest", "bilinear", "bicubic", "area"]] = {
    0: "nearest", 1: "bilinear", 2: "bicubic", 3: "area",
}  # fmt: skip
#: transforms that change no pixel
_HARMLESS = ("ToTensorV2", "ToTensor", "Compose")

Values = npt.NDArray[np.float32]


class Range(NamedTuple):
    """A raw value becomes (value - threshold) / (most - least) + 0.5."""

    least: float
    most: float


class Distribution(NamedTuple):
    """The logarithm of a raw value is compared with that of good pictures; for each pixel, or for all alike."""

    mean: Values
    deviation: Values


class Transform(NamedTuple):
    """What is done to a picture before the model sees it."""

    size: Size | None = None
    filter: Literal["nearest", "bilinear", "bicubic", "area"] = "area"
    scale: float = 1 / 255
    mean: Rgb = (0.0, 0.0, 0.0)
    std: Rgb = (1.0, 1.0, 1.0)


class Metadata(NamedTuple):
    """What the file says; None where it says nothing."""

    path: Path
    image_threshold: float
    pixel_threshold: float | None
    image: Range | Distribution | None
    pixels: Range | Distribution | None
    transform: Transform


def find_metadata(model: Path) -> Path | None:
    """Find the file beside a model, if it is anomalib's."""
    path = model.parent / METADATA
    try:
        content = read_json(path) if path.is_file() else None
    except ImportFailed:
        return None
    return path if isinstance(content, dict) and _THRESHOLD in content else None


def read_metadata(path: Path) -> Metadata:
    """Read the file.

    Raises:
        ImportFailed: a key is missing or has a wrong value, or pictures are changed in a way that is not taken over.
    """
    content = read_json(path)
    if not isinstance(content, dict) or _THRESHOLD not in content:
        raise ImportFailed(f"{path} has no '{_THRESHOLD}', expected anomalib's metadata")
    reader = _Reader(path, content)
    return Metadata(
        path,
        reader.number(_THRESHOLD),
        reader.number("pixel_threshold") if "pixel_threshold" in content else None,
        reader.range("min", "max") or reader.range("pred_scores.min", "pred_scores.max")
        or reader.distribution("image_mean", "image_std"),
        reader.range("min", "max") or reader.range("anomaly_maps.min", "anomaly_maps.max")
        or reader.distribution("pixel_mean", "pixel_std"),
        _transform(path, content.get("transform")),
    )  # fmt: skip


class _Reader:
    """Reads numbers, which may stand in lists."""

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        self._path, self._content = path, content

    def values(self, key: str) -> Values:
        try:
            found = np.asarray(self._content[key], np.float32)
        except (ValueError, TypeError):
            found = np.zeros(0, np.float32)
        if not found.size or not np.isfinite(found).all():
            raise ImportFailed(f"{self._path}: {key} is {str(self._content[key])[:60]}, expected numbers")
        return found

    def number(self, key: str) -> float:
        found = self.values(key)
        if found.size != 1:
            raise ImportFailed(f"{self._path}: {key} holds {found.size} numbers, expected one")
        return float(found.reshape(-1)[0])

    def range(self, least: str, most: str) -> Range | None:
        if not {least, most} <= self._content.keys():
            return None
        found = Range(self.number(least), self.number(most))
        if found.least >= found.most:
            raise ImportFailed(
                f"{self._path}: {least} is {found.least:g} and {most} {found.most:g}, expected less and more"
            )
        return found

    def distribution(self, mean: str, deviation: str) -> Distribution | None:
        if not {mean, deviation} <= self._content.keys():
            return None
        found = Distribution(np.squeeze(self.values(mean)), np.squeeze(self.values(deviation)))
        if not (found.deviation > 0).all():
            raise ImportFailed(f"{self._path}: {deviation} is not positive, expected deviations")
        return found


def _transform(path: Path, said: Any) -> Transform:
    """Read albumentations' description (0.x); in 1.x the graph transforms pictures itself."""
    found = Transform()
    for step in _steps(said):
        name = str(step.get("__class_fullname__", "")).rpartition(".")[2]
        if name == "Resize":
            size = (_whole(path, name, step, "width"), _whole(path, name, step, "height"))
            found = found._replace(size=size, filter=_FILTERS.get(step.get("interpolation", 1), "bilinear"))
        elif name == "Normalize":
            most = float(step.get("max_pixel_value", 255.0))
            mean, std = (tuple(map(float, step.get(key, ()))) for key in ("mean", "std"))
            if len(mean) != 3 or len(std) != 3 or not all(std) or not most:
                raise ImportFailed(f"{path}: Normalize has mean {mean} and std {std}, expected three numbers each")
            found = found._replace(scale=1 / most, mean=mean, std=std)
        elif name == "ToFloat":
            found = found._replace(scale=1 / float(step.get("max_value") or 255.0))
        elif name not in _HARMLESS:
            raise ImportFailed(
                f"{path} changes pictures by {name or 'a step without a name'} before the model sees them, which is "
                "not taken over: export a model that was trained without it, or do it in the client and remove it there"
            )
    return found


def _steps(said: Any) -> Sequence[Mapping[str, Any]]:
    """Give the steps, through the containers around them."""
    if isinstance(said, Mapping):
        if isinstance(said.get("transform"), Mapping):
            return _steps(said["transform"])
        if isinstance(said.get("transforms"), list):
            return [step for inner in said["transforms"] for step in _steps(inner)]
        return [said] if "__class_fullname__" in said else []
    return []


def _whole(path: Path, name: str, step: Mapping[str, Any], key: str) -> int:
    value = step.get(key)
    if type(value) is not int or value < 1:
        raise ImportFailed(f"{path}: {key} of {name} is {value!r}, expected a number of pixels")
    return value
