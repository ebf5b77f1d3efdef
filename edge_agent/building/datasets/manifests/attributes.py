"""What a line of a manifest says: its attributes, by the kind of labelling job that wrote them.

Attribute names are free: `X` has its metadata in `X-metadata`, whose `type` names the kind of job. Sources: the
service's guide (JSON Lines for classification and segmentation) and SageMaker's page on the output of labelling jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from edge_agent.building.datasets.manifests.dates import parse_date

Kind = Literal["class", "classes", "boxes", "mask", "verification", "other"]
CLASSIFICATION, SEGMENTATION = "groundtruth/image-classification", "groundtruth/semantic-segmentation"
_METADATA = "-metadata"
_DETECTED = "-detected"  # what a model said, in an evaluation manifest
_COLOR_MAP = "internal-color-map"
#: part of a type's name, in this order: the longer name holds the shorter one
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("multilabel", "classes"), ("multi-label", "classes"), ("classification", "class"), ("segmentation", "mask"),
    ("object-detection", "boxes"), ("bounding-box", "boxes"), ("verification", "verification"),
)  # fmt: skip
_NO_LABELS = frozenset(("source-ref", "source", "id", "_id"))
_NESTED = "…"


class Attribute(NamedTuple):
    """One attribute of a line."""

    key: str
    kind: Kind
    value: Any
    metadata: Mapping[str, Any]
    #: what a model said of the picture, not a person
    detected: bool = False

    @property
    def type(self) -> str:
        """The kind of job, as the line calls it."""
        return text_of(self.metadata.get("type", ""))

    @property
    def failure(self) -> str:
        """Why the job has no result for this picture; empty when it has one."""
        return text_of(self.metadata.get("failure-reason", ""))

    @property
    def by_people(self) -> bool:
        """Whether a person labelled it."""
        return text_of(self.metadata.get("human-annotated", "yes")).lower() != "no"

    @property
    def date(self) -> datetime | None:
        """When it was labelled, in UTC."""
        return parse_date(self.metadata.get("creation-date"))

    @property
    def classes(self) -> list[str] | None:
        """The names of the classes that it gives; None when it names none."""
        if self.kind == "boxes":
            return _box_classes(self.value, self.metadata)
        named = self.metadata.get("class-name")
        if named is None and self.kind == "classes":
            return _many(self.value, self.metadata)
        if named is None:
            named = self.value
        if isinstance(named, list):
            return [text_of(name) for name in named]
        return None if named is None or named == "" else [text_of(named)]


def attributes(line: Mapping[str, Any]) -> list[Attribute]:
    """List the attributes of a line that have metadata; where there are none, those that could be a class."""
    found = []
    for name, metadata in line.items():
        if name.endswith(_METADATA) and isinstance(metadata, dict):
            key = name.removesuffix(_METADATA)
            kind = _kind(key, line.get(key), metadata)
            found.append(Attribute(key, kind, line.get(key), metadata, key.endswith(_DETECTED)))
    if found:
        return found
    return [
        Attribute(key, "class", value, {})
        for key, value in line.items()
        if key not in _NO_LABELS and not key.endswith((_METADATA, "-ref")) and isinstance(value, (str, int, float))
    ]


def text_of(value: Any) -> str:
    """Write a value of a manifest as a name; what is nested is not looked into."""
    if isinstance(value, str):
        return value
    return _NESTED if isinstance(value, (list, dict)) else "" if value is None else str(value)


def _kind(key: str, value: Any, metadata: Mapping[str, Any]) -> Kind:
    known = text_of(metadata.get("type", "")).lower()
    for part, kind in _KINDS:
        if part in known:
            return kind
    if known:
        return "other"
    if _COLOR_MAP in metadata or (key.endswith("-ref") and isinstance(value, str)):
        return "mask"
    if isinstance(value, dict) and "annotations" in value:
        return "boxes"
    return "classes" if "class-map" in metadata and "class-name" not in metadata else "class"


def _many(value: Any, metadata: Mapping[str, Any]) -> list[str] | None:
    """A multi-label attribute: numbers of classes, which the class map names."""
    names = metadata.get("class-map")
    if not isinstance(names, dict):
        return [text_of(item) for item in value] if isinstance(value, list) else None
    if not isinstance(value, list):
        return [text_of(name) for name in names.values()]
    return [text_of(names.get(text_of(item), item)) for item in value]


def _box_classes(value: Any, metadata: Mapping[str, Any]) -> list[str] | None:
    boxes = value.get("annotations") if isinstance(value, dict) else None
    if not isinstance(boxes, list):
        return None
    names = metadata.get("class-map")
    names = names if isinstance(names, dict) else {}
    found: dict[str, None] = {}
    for box in boxes:
        number = text_of(box.get("class_id")) if isinstance(box, dict) else text_of(box)
        found.setdefault(text_of(names.get(number, number)))
    return list(found)
