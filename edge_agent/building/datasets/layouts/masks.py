"""The folder of masks that lies beside the pictures, and which of its files is the mask of which picture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edge_agent.building.datasets.dataset import ANOMALY, Rgb, check_distinct, parse_color
from edge_agent.building.datasets.layouts.files import Files, files_under, left_out_reasons
from edge_agent.building.datasets.names import key
from edge_agent.building.datasets.reasons import Place, Reason
from edge_agent.errors import DatasetError

#: how people call such a folder, as `key` writes it
MASK_FOLDERS = frozenset(("masks", "mask", "ground_truth", "ground truth", "groundtruth", "gt", "ground_truth_masks"))
LABELS_FILE = "labels.json"
_BACKGROUND = "background"
_ENDINGS = ("", "_mask", "-mask", "_gt")
ONE_LABEL: Mapping[str | None, Rgb] = {None: (0, 0, 0), ANOMALY: (255, 255, 255)}


def is_mask_folder(name: str) -> bool:
    """Tell whether a folder's name is one for masks."""
    return key(name) in MASK_FOLDERS


def colors_of(label: str) -> Mapping[str | None, Rgb]:
    """Give the colours of a mask that shows one label: black is background, white is the label."""
    return {None: (0, 0, 0), label: (255, 255, 255)}


class Masks:
    """The files of some folders of masks, found by the place and name of a picture."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._files: list[tuple[Path, Files]] = [(folder, files_under(folder)) for folder in folders]
        self._by_place: dict[tuple[str, ...], list[Path]] = {}
        self._by_folder: dict[tuple[str, ...], list[Path]] = {}
        for folder, files in self._files:
            for path in files.pictures:
                place = _place(path.relative_to(folder).with_suffix(""))
                self._by_place.setdefault(place, []).append(path)
                self._by_folder.setdefault(place[:-1], []).append(path)

    @property
    def all(self) -> list[Path]:
        """Every mask."""
        return [path for _, files in self._files for path in files.pictures]

    @property
    def hidden(self) -> list[Path]:
        """What was skipped."""
        return [path for _, files in self._files for path in files.hidden]

    def left_out(self) -> list[Reason]:
        """Say which files are no masks."""
        return [reason for _, files in self._files for reason in left_out_reasons(files, known=(LABELS_FILE,))]

    def colors(self) -> Mapping[str | None, Rgb] | None:
        """Read labels.json, if there is one.

        Raises:
            DatasetError: it is wrong; the text names it.
        """
        for folder, _ in self._files:
            if (folder / LABELS_FILE).is_file():
                return _read_labels(folder / LABELS_FILE)
        return None

    def at(self, *places: Path) -> list[Path]:
        """Find the masks of a picture at the first of these places that has any; a folder of that name has several."""
        for place in places:
            for ending in _ENDINGS:
                found = self._by_place.get(_place(place.with_name(place.name + ending)))
                if found and len(found) == 1:
                    return found
            several = self._by_folder.get(_place(place))
            if several:
                return several
        return []


def unused_reasons(masks: Iterable[Path], used: set[Path]) -> list[Reason]:
    """Name masks that belong to no picture."""
    return [Reason("mask-of-none", places=(Place(path=path),)) for path in masks if path not in used]


def _place(path: Path) -> tuple[str, ...]:
    return tuple(key(part) for part in path.parts)


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
