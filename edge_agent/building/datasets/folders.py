"""Folders `normal` and `anomaly`, and beside them, if anyone drew masks, `masks`.

DATASET/normal/…            PNG and JPEG; the names of deeper folders mean nothing
DATASET/anomaly/…
DATASET/masks/<name>.png    the mask of <name>.jpg, in the same deeper folders or in none; also <name>_mask.png
DATASET/masks/labels.json   {"scratch": "#2ca02c", "dent": "#1f77b4"}; without it black is background, white is anomaly
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from edge_agent.building.datasets.dataset import (
    ANOMALY,
    NORMAL,
    Dataset,
    Example,
    MaskFile,
    Rgb,
    check_distinct,
    label_colors,
    parse_color,
)
from edge_agent.building.datasets.reasons import Place, Reason
from edge_agent.errors import DatasetError

_PICTURES = {".png", ".jpg", ".jpeg"}
_OTHER_PICTURES = {".bmp", ".tif", ".tiff", ".gif", ".webp"}
_MASKS, _LABELS, _BACKGROUND = "masks", "labels.json", "background"
_ONE_LABEL: Mapping[str | None, Rgb] = {None: (0, 0, 0), ANOMALY: (255, 255, 255)}


def is_folder_dataset(root: Path) -> bool:
    """Tell whether a folder has a folder `normal` or `anomaly`."""
    return (root / NORMAL).is_dir() or (root / ANOMALY).is_dir()


def read_folders(root: Path) -> Dataset:
    """Read the pictures under `root`/normal and `root`/anomaly.

    Raises:
        DatasetError: neither folder exists, or masks/labels.json is wrong.
    """
    if not is_folder_dataset(root):
        raise DatasetError(f"{root} has no folder 'normal' or 'anomaly'")
    pictures: dict[str, list[Path]] = {label: _files(root / label, _PICTURES) for label in (NORMAL, ANOMALY)}
    masks = _Masks(root / _MASKS, pictures)
    examples: list[Example] = []
    reasons = []
    for label in (NORMAL, ANOMALY):
        for path in pictures[label]:
            mask = masks.find(path.relative_to(root / label), label)
            examples.append(Example(path, str(path), label, mask))
        others = _files(root / label, _OTHER_PICTURES)
        if others:
            facts = {"folder": root / label, "name": others[0].name}
            reasons.append(Reason("files-left-out", times=len(others), facts=facts))
    used = {example.mask.path for example in examples if example.mask}
    reasons += [
        Reason("mask-of-none", places=(Place(path=path),), facts={"path": path})
        for path in masks.all
        if path not in used
    ]
    labels = label_colors({n: c for n, c in masks.colors.items() if n is not None}, source=root) if used else ()
    return Dataset(root, tuple(examples), labels, tuple(reasons))


def _files(folder: Path, suffixes: set[str]) -> list[Path]:
    """List the files under a folder, links to folders included, each folder once."""
    found: list[Path] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a link back up would go on for ever
            folders.clear()
            continue
        seen.add(real)
        found += [Path(parent, name) for name in names if Path(name).suffix.lower() in suffixes]
    return sorted(path for path in found if path.is_file())


class _Masks:
    """The folder of masks."""

    def __init__(self, folder: Path, pictures: Mapping[str, list[Path]]) -> None:
        #: files that are no PNG are found too, and refused when they are read
        self.all = _files(folder, _PICTURES)
        self._by_place = {path.relative_to(folder).with_suffix(""): path for path in self.all}
        stems = [path.stem for path in pictures[ANOMALY]]
        self._bad_stems = set(stems)
        self._repeated = {stem for stem in stems if stems.count(stem) > 1}
        known = folder / _LABELS
        self.colors = _read_labels(known) if known.is_file() else _ONE_LABEL

    def find(self, path: Path, label: str) -> MaskFile | None:
        """Find the mask of a picture, `path` being relative to the folder of its label."""
        places = [Path(label) / path.parent, Path(label)]
        if label == ANOMALY or path.stem not in self._bad_stems:  # 1.png in both folders: the mask is the bad one's
            places.append(path.parent)
            if path.stem not in self._repeated:
                places.append(Path())
        for place in places:
            for name in (path.stem, f"{path.stem}_mask"):
                if place / name in self._by_place:
                    return MaskFile(self._by_place[place / name], self.colors)
        return None


def _read_labels(path: Path) -> dict[str | None, Rgb]:
    try:
        read = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(read, dict) or not read:
            raise ValueError("expected an object of names and colours")
        colors = {
            (None if str(name).lower() == _BACKGROUND else str(name)): parse_color(str(color))
            for name, color in read.items()
        }
        check_distinct(colors)
        return colors
    except (ValueError, OSError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise DatasetError(f'{path}: {error}, expected such as {{"scratch": "#2ca02c"}}') from None
