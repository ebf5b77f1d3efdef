"""From folders that each have a label, and folders of masks, to a dataset: what every layout has in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Dataset, Example, MaskFile, Rgb, label_colors
from edge_agent.building.datasets.layouts.files import Files, files_under, hidden_reasons, left_out_reasons
from edge_agent.building.datasets.layouts.masks import ONE_LABEL, Masks, colors_of, unused_reasons
from edge_agent.building.datasets.names import Label, key
from edge_agent.building.datasets.reasons import Place, Reason, in_order

_MASK_ENDINGS = ("_mask", "-mask")


class Side(NamedTuple):
    """A folder of pictures and the label of all of them."""

    folder: Path
    label: Label


class Part(NamedTuple):
    """The folders of one dataset, and where its masks are."""

    source: Path
    sides: tuple[Side, ...]
    mask_folders: tuple[Path, ...] = ()
    #: in masks every value but 0 marks, as in the public datasets
    any_value: bool = False
    #: a mask's place begins with the folder's name, so that masks of equal names are never exchanged
    strict: bool = False
    reasons: tuple[Reason, ...] = ()


class _Picture(NamedTuple):
    side: Side
    path: Path
    beside: Path | None = None  # a mask in the same folder

    @property
    def place(self) -> Path:
        return self.path.relative_to(self.side.folder).with_suffix("")

    def kind(self) -> str:
        """The folder that names the kind of defect: the side's own, or what is in a folder `anomaly`."""
        inside = self.path.relative_to(self.side.folder).parts
        return inside[0] if key(self.side.folder.name) == ANOMALY and len(inside) > 1 else self.side.folder.name


def read_part(part: Part, *, kinds: bool) -> Dataset:
    """Read the pictures of a part; with `kinds` every folder of defects is a label.

    Raises:
        DatasetError: masks/labels.json is wrong, or there are more labels than a model can have.
    """
    masks = Masks(part.mask_folders)
    read = [(side, files_under(side.folder)) for side in part.sides]
    pictures = [picture for side, files in read for picture in _pictures(side, files)]
    reasons = list(part.reasons)
    for label in (NORMAL, ANOMALY):
        of_label = [files for side, files in read if side.label == label]
        together = Files(
            tuple(path for files in of_label for path in files.pictures),
            tuple(path for files in of_label for path in files.others),
        )
        reasons += left_out_reasons(together, label=label)
        reasons += hidden_reasons(path for files in of_label for path in files.hidden)
    reasons += [*masks.left_out(), *hidden_reasons(masks.hidden)]
    declared = masks.colors()
    find = _Finder(part, masks, pictures)
    examples: list[Example] = []
    for picture in pictures:
        found = [picture.beside] if picture.beside else find(picture)
        mask = _mask(part, picture, found, declared, kinds=kinds) if found else None
        examples.append(Example(picture.path, str(picture.path), picture.side.label, mask))
    beside = [picture.beside for picture in pictures if picture.beside]
    if beside:
        reasons.append(Reason("masks-beside", places=tuple(Place(path=path) for path in beside), times=len(beside)))
    files = [file for example in examples if example.mask for file in (example.mask.path, *example.mask.more)]
    reasons += unused_reasons(masks.all, set(files))
    bad = [example for example in examples if example.label == ANOMALY]
    if kinds and bad and not any(example.mask for example in bad):
        reasons.append(Reason("kinds-without-masks"))
    colors: dict[str, Rgb] = {}
    for example in examples:
        for name, color in (example.mask.colors if example.mask else {}).items():
            if name is not None:
                colors.setdefault(name, color)
    return Dataset(part.source, tuple(examples), label_colors(colors, source=part.source), in_order(reasons))


def _pictures(side: Side, files: Files) -> list[_Picture]:
    """Tell masks that lie beside their pictures from pictures: x_mask.png beside x.png."""
    by_place = {path.with_suffix(""): path for path in files.pictures}
    masks: dict[Path, Path] = {}
    for place, path in by_place.items():
        for ending in _MASK_ENDINGS:
            own = place.with_name(place.name.removesuffix(ending))
            if place.name.endswith(ending) and own in by_place:
                masks[own] = path
    used = set(masks.values())
    return [
        _Picture(side, path, masks.get(path.with_suffix(""))) for path in files.pictures if path not in used
    ]  # fmt: skip


class _Finder:
    """Finds the masks of a picture, and never those of another one of the same name."""

    def __init__(self, part: Part, masks: Masks, pictures: list[_Picture]) -> None:
        self._part = part
        self._masks = masks
        bad = [picture for picture in pictures if picture.side.label == ANOMALY]
        self._bad_names = Counter(key(picture.path.stem) for picture in bad)
        self._bad_places = Counter(key(str(picture.place)) for picture in bad)

    def __call__(self, picture: _Picture) -> list[Path]:
        side, place = picture.side, picture.place
        own = Path(side.folder.name)
        places = [own / place, own / place.name]
        if self._part.strict:
            return self._masks.at(*places)
        if key(side.folder.name) != side.label:
            places += [Path(side.label) / side.folder.name / place, Path(side.label) / place]
        is_bad = side.label == ANOMALY
        if is_bad or key(place.name) not in self._bad_names:  # 1.png in both folders: the mask is the bad one's
            if self._bad_places[key(str(place))] <= 1:
                places.append(place)
            if self._bad_names[key(place.name)] <= 1:
                places.append(Path(place.name))
        return self._masks.at(*places)


def _mask(
    part: Part, picture: _Picture, found: list[Path], declared: Mapping[str | None, Rgb] | None, *, kinds: bool
) -> MaskFile:
    label = picture.kind() if kinds and picture.side.label == ANOMALY else ANOMALY
    any_value = declared is None and (part.any_value or kinds or len(found) > 1)
    colors = declared or (colors_of(label) if any_value else ONE_LABEL)
    return MaskFile(found[0], colors, any_value, tuple(found[1:]))
