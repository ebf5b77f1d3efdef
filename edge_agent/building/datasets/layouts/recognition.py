"""Which layout a folder has: `normal` and `anomaly`, MVTec AD's and what is like it, VisA's, anomalib's.

    ROOT/normal ROOT/anomaly [ROOT/masks]            our own, in any case; also names that a user maps
    ROOT/normal ROOT/abnormal [ROOT/mask]            anomalib
    ROOT/good ROOT/KIND… ROOT/mask/KIND…             anomalib
    ROOT/Data/Images/Normal, …/Anomaly, ROOT/Data/Masks/Anomaly       VisA
    ROOT/train/good ROOT/test/good ROOT/test/KIND… ROOT/ground_truth/KIND…   MVTec AD, LOCO (validation/good), BTAD
    ROOT/train/… ROOT/test/…                         each as one of the first three

Sources: the README files of these datasets, and anomalib's documentation of its data modules.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.layouts.beside import beside
from edge_agent.building.datasets.layouts.files import folders_in, hidden_in, hidden_reasons
from edge_agent.building.datasets.layouts.masks import is_mask_folder
from edge_agent.building.datasets.layouts.part import Part, Side
from edge_agent.building.datasets.layouts.unknown import unknown
from edge_agent.building.datasets.names import Label, Names, key
from edge_agent.building.datasets.reasons import Place, Reason

_GOOD = ("good", "ok", "normal")  # in a folder `train` that holds nothing else
_VALIDATION = ("validation", "val", "valid")
_ABNORMAL = "abnormal"


class Layout(NamedTuple):
    """The parts of a dataset in folders."""

    train: Part
    test: Part | None = None


def recognise(root: Path, names: Names) -> Layout:
    """Tell the layout of a folder. One that is not known has no sides, and a reason that says what lies there."""
    layout = known_layout(root, names) or Layout(
        unknown(root, names, is_dataset=lambda at: bool(known_layout(at, names)))
    )
    met = {key(path.name) for pattern in ("*", "*/*", "*/*/*") for path in root.glob(pattern) if path.is_dir()}
    unmet = [Reason("name-unmatched", value=name) for name in names.unused(met)]
    return layout._replace(train=layout.train._replace(reasons=(*layout.train.reasons, *unmet)))


def known_layout(root: Path, names: Names) -> Layout | None:
    """Tell the layout of a folder; None when it is none of those that are known."""
    folders = {key(folder.name): folder for folder in folders_in(root)}
    train, test = folders.get("train"), folders.get("test")
    labelled = [folder for folder in folders.values() if names.label(folder.name)]
    if labelled:
        return Layout(_flat(root, names))
    if train:
        if _is_public(train, test, folders, names):
            return _public(root, folders, names)
        inside = _part_of(train, names)
        if inside:
            rest = [folder for name, folder in folders.items() if name not in ("train", "test")]
            said = [*beside(root, rest, lost=False), *hidden_reasons(hidden_in(root))]
            return Layout(inside._replace(reasons=(*inside.reasons, *said)), _part_of(test, names) if test else None)
    part = _part_of(root, names)
    return Layout(part) if part else None


def _part_of(root: Path, names: Names) -> Part | None:
    """Tell the layout of a folder that is one part."""
    folders = {key(folder.name): folder for folder in folders_in(root)}
    if any(names.label(folder.name) for folder in folders.values()):
        return _flat(root, names)
    for images in ("images", "data"):
        inside = folders.get(images)
        if inside and images == "data":
            part = _part_of(inside, names)
            if part:
                return part._replace(source=root)
        if inside and any(names.label(folder.name) for folder in folders_in(inside)):
            masks = tuple(folder for folder in folders.values() if is_mask_folder(folder.name))
            return _flat(inside, names)._replace(source=root, mask_folders=masks, any_value=True)
    return _with_mask_folders(root, folders)


def _flat(root: Path, names: Names) -> Part:
    sides, masks, rest = [], [], []
    folders = folders_in(root)
    known = {names.label(folder.name) for folder in folders}
    for folder in folders:
        label = names.label(folder.name)
        if label is None and ANOMALY not in known and key(folder.name) == _ABNORMAL:
            label = ANOMALY
        if label:
            sides.append(Side(folder, label))
        elif is_mask_folder(folder.name):
            masks.append(folder)
        else:
            rest.append(folder)
    lost = not any(side.label == ANOMALY and any(side.folder.iterdir()) for side in sides)
    lost = lost or not any(side.label == NORMAL and any(side.folder.iterdir()) for side in sides)
    sides.sort(key=lambda side: (side.label != NORMAL, side.folder))
    reasons = [*beside(root, rest, lost=lost), *hidden_reasons(hidden_in(root))]
    return Part(root, tuple(sides), tuple(masks), reasons=tuple(reasons))


def _with_mask_folders(root: Path, folders: dict[str, Path]) -> Part | None:
    """anomalib's: `good`, and kinds of defects that have a folder of that name among the masks."""
    good = folders.get("good")
    masks = [folder for folder in folders.values() if is_mask_folder(folder.name)]
    kinds = {key(folder.name) for mask in masks for folder in folders_in(mask)}
    bad = [folder for name, folder in folders.items() if name in kinds and name != "good"]
    if good is None or not bad:
        return None
    rest = [folder for folder in folders.values() if folder not in (good, *bad, *masks)]
    sides = (Side(good, NORMAL), *(Side(folder, ANOMALY) for folder in bad))
    reasons = (
        _read_as(root, "anomalib", [good], bad),
        *beside(root, rest, lost=False, kinds=True),
        *hidden_reasons(hidden_in(root)),
    )
    return Part(root, sides, tuple(masks), any_value=True, strict=True, reasons=reasons)


def _is_public(train: Path, test: Path | None, folders: dict[str, Path], names: Names) -> bool:
    """Tell MVTec AD's layout, which knows no `anomaly`: what to train with is one folder of good parts."""
    inside = folders_in(train)
    if len(inside) != 1 or not _is_good(inside[0].name, names):
        return False
    truth = any(is_mask_folder(name) for name in folders)
    tested = folders_in(test) if test else []
    return truth or not all(names.label(folder.name) for folder in (*inside, *tested))


def _is_good(name: str, names: Names) -> bool:
    return (names.label(name) or (NORMAL if key(name) in _GOOD else None)) == NORMAL


def _public(root: Path, folders: dict[str, Path], names: Names) -> Layout:
    def label(folder: Path) -> Label:
        said = names.label(folder.name)
        return said or (NORMAL if _is_good(folder.name, names) else ANOMALY)

    train, test = folders["train"], folders.get("test")
    masks = tuple(folder for folder in folders.values() if is_mask_folder(folder.name))
    sides = [Side(folder, label(folder)) for folder in folders_in(train)]
    validation = [folders[name] for name in _VALIDATION if name in folders]
    used = {"train", "test"}
    for folder in validation:
        good = [inside for inside in folders_in(folder) if label(inside) == NORMAL]
        sides += [Side(inside, NORMAL) for inside in good]
        used |= {key(folder.name)} if good else set()
    rest = [folder for name, folder in folders.items() if name not in used and folder not in masks]
    tested = [Side(folder, label(folder)) for folder in folders_in(test)] if test else []
    said = [
        _read_as(root, "MVTec AD", *(
            [side.folder for side in (*sides, *tested) if side.label == wanted] for wanted in (NORMAL, ANOMALY)
        )),
        *beside(root, rest, lost=False),
        *hidden_reasons(hidden_in(root)),
    ]  # fmt: skip
    return Layout(
        Part(train, tuple(sides), (), reasons=tuple(said)),
        Part(test, tuple(tested), masks, any_value=True, strict=True) if test else None,
    )


def _read_as(root: Path, layout: str, good: list[Path], bad: list[Path]) -> Reason:
    facts = {
        "good": ", ".join(dict.fromkeys(str(folder.relative_to(root)) for folder in good)),
        "bad": ", ".join(dict.fromkeys(str(folder.relative_to(root)) for folder in bad)) or "nothing",
    }
    return Reason("layout", value=layout, places=(Place(path=root),), facts=facts)
