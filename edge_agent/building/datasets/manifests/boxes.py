"""Boxes in the files of other programs, COCO and YOLO, as the lines of a labelling job for boxes.

A picture's classes are the names of what is boxed on it; one without a box has the class "no box". What means normal
and what anomaly is for the user to say, as with every other name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_agent.building.datasets.layouts.files import files_under
from edge_agent.building.datasets.manifests.lines import Line
from edge_agent.errors import DatasetError

_TYPE = "groundtruth/object-detection"
_ATTRIBUTE = "boxes"
_YOLO_NAMES = re.compile(r"^names\s*:", re.MULTILINE)


def is_coco(value: Any) -> bool:
    """Tell whether an object of JSON is a dataset in COCO's format."""
    return isinstance(value, dict) and isinstance(value.get("images"), list) and "annotations" in value


def coco_lines(value: Mapping[str, Any], path: Path) -> list[Line]:
    """Give the pictures of a COCO file as lines; the number of a line is that of the picture in the file.

    Raises:
        DatasetError: an entry is not of the format.
    """
    try:
        names = {str(entry["id"]): str(entry["name"]) for entry in value.get("categories", [])}
        boxes: dict[str, list[dict[str, str]]] = {str(entry["id"]): [] for entry in value["images"]}
        for entry in value["annotations"]:
            boxes.setdefault(str(entry["image_id"]), []).append({"class_id": str(entry["category_id"])})
        pictures = [(str(entry.get("file_name") or entry["coco_url"]), str(entry["id"])) for entry in value["images"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path} looks like a COCO file, but an entry lacks {error}") from None
    return [_line(number, name, boxes[at], names) for number, (name, at) in enumerate(pictures, start=1)]


def is_yolo(path: Path) -> bool:
    """Tell whether a file is the data.yaml of a dataset for YOLO."""
    if path.suffix.lower() not in (".yaml", ".yml"):
        return False
    return _YOLO_NAMES.search(path.read_text(encoding="utf-8-sig", errors="replace")) is not None


def yolo_lines(path: Path) -> list[Line]:
    """Give the pictures of a dataset for YOLO, which lie in folders `images` beside `labels`, as lines.

    Raises:
        DatasetError: there is no such folder.
    """
    names = _yolo_names(path)
    pictures = [picture for picture in files_under(path.parent).pictures if "images" in picture.parts]
    if not pictures:
        raise DatasetError(f"{path} is a dataset for YOLO, and no folder 'images' with pictures lies beside it")
    lines = []
    for number, picture in enumerate(pictures, start=1):
        inside = picture.relative_to(path.parent)
        at = len(inside.parts) - 1 - inside.parts[::-1].index("images")
        label = path.parent.joinpath(*inside.parts[:at], "labels", *inside.parts[at + 1 :]).with_suffix(".txt")
        text = label.read_text(errors="replace") if label.is_file() else ""
        boxes = [{"class_id": line.split()[0]} for line in text.splitlines() if line.strip()]
        lines.append(_line(number, inside.as_posix(), boxes, names))
    return lines


def _line(number: int, name: str, boxes: list[dict[str, str]], names: Mapping[str, str]) -> Line:
    metadata = {"class-map": dict(names), "type": _TYPE}
    return Line(number, {"source-ref": name, _ATTRIBUTE: {"annotations": boxes}, f"{_ATTRIBUTE}-metadata": metadata})


def _yolo_names(path: Path) -> dict[str, str]:
    """Read the names of a data.yaml: a list in one line, a list of lines, or numbers and names."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    rest = text[_YOLO_NAMES.search(text).end() :]  # type: ignore[union-attr]
    first, _, following = rest.partition("\n")
    inline = re.match(r"\s*[\[{](.*)[\]}]", first)
    if inline:
        items = [item.strip() for item in inline[1].split(",") if item.strip()]
    else:
        items = []
        for line in following.splitlines():
            if line.strip() and line[0] not in " \t-":
                break
            items += [line.strip().removeprefix("-").strip()] if line.strip() else []
    found = {}
    for number, item in enumerate(items):
        key, colon, value = item.partition(":")
        found[key.strip() if colon else str(number)] = (value if colon else item).strip().strip("'\"")
    return found
