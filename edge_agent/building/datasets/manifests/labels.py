"""Normal or anomaly: what the attributes of a line say, and why they say nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL
from edge_agent.building.datasets.manifests.attributes import Attribute
from edge_agent.building.datasets.names import Label, Names, key
from edge_agent.building.datasets.reasons import Place, Reason

#: what stands for a picture on which there is nothing; it can be mapped like a name
NO_BOX, NO_CLASS = "no box", "no class"


class Labelled(NamedTuple):
    """A label, or the reason why there is none; and what else is to be said."""

    label: Label | None
    why: Reason | None = None
    notes: tuple[Reason, ...] = ()


class _Said(NamedTuple):
    attribute: Attribute
    names: list[str]
    labels: tuple[Label | None, ...]  # of each name

    @property
    def label(self) -> Label | None:
        if ANOMALY in self.labels:
            return ANOMALY
        return NORMAL if set(self.labels) == {NORMAL} else None

    @property
    def value(self) -> str:
        return ", ".join(self.names)


def read_label(found: Sequence[Attribute], names: Names, wanted: Collection[str], place: Place) -> Labelled:
    """Read the label of a line; what people said goes before what a labelling job said by itself.

    `wanted` are the attributes that count where a line has them.
    """
    classes = [item for item in found if item.kind in ("class", "classes", "boxes") and not item.detected]
    classes = [item for item in classes if item.key in wanted] or classes
    worked = [item for item in classes if not item.failure]
    said = [one for one in (_said(item, names) for item in worked) if one is not None]
    said = [one for one in said if one.attribute.by_people] or said
    clear = [one for one in said if one.label is not None]
    conflict = _conflict(said, clear, place)
    if conflict:
        return Labelled(None, conflict)
    if clear:
        return Labelled(clear[0].label, None, _notes(clear[0], said, found, place))
    return Labelled(None, _why(said, classes, found, place))


def _said(attribute: Attribute, names: Names) -> _Said | None:
    classes = attribute.classes
    if classes is None:
        return None
    if not classes:
        classes = [NO_BOX if attribute.kind == "boxes" else NO_CLASS]
    return _Said(attribute, classes, tuple(names.label(name) for name in classes))


def _conflict(said: Sequence[_Said], clear: Sequence[_Said], place: Place) -> Reason | None:
    for one in said:
        if {NORMAL, ANOMALY} <= set(one.labels):
            return Reason("class-both", "broken", one.value, one.attribute.key, (place,))
    first = clear[0] if clear else None
    other = next((one for one in clear if first and one.label != first.label), None)
    if first is None or other is None:
        return None
    facts: dict[str, str] = {
        "when": _when(first.attribute), "other": other.attribute.key, "other_value": other.value,
        "other_when": _when(other.attribute),
    }  # fmt: skip
    return Reason("class-conflict", "broken", first.value, first.attribute.key, (place,), facts=facts)


def _when(attribute: Attribute) -> str:
    date = attribute.date
    return f" ({date:%Y-%m-%d %H:%M})" if date else " (no date)"


def _notes(taken: _Said, said: Sequence[_Said], found: Sequence[Attribute], place: Place) -> tuple[Reason, ...]:
    attribute = taken.attribute
    notes = []
    known = {key(name) for name in taken.names}
    listed = isinstance(attribute.metadata.get("class-name"), list)
    if attribute.kind == "class" and (listed or any(name != name.strip() for name in taken.names)):
        written = f"[{', '.join(map(repr, taken.names))}]" if listed else repr(taken.names[0])
        facts = {"label": str(taken.label)}
        notes.append(Reason("class-spelled", "note", written, attribute.key, (place,), facts=facts))
    if not attribute.type:
        code = "class-no-type" if attribute.metadata else "class-no-metadata"
        notes.append(Reason(code, "note", "", attribute.key, (place,)))
    for other in said:
        if other.label is None and not {key(name) for name in other.names} <= known:
            facts = {"taken": attribute.key}
            notes.append(Reason("class-beside", "note", other.value, other.attribute.key, (place,), facts=facts))
    for item in found:
        if item.kind == "verification":
            value = text if (text := ", ".join(item.classes or [])) else "nothing"
            notes.append(Reason("class-verified", "note", value, item.key, (place,)))
    return tuple(notes)


def _why(said: Sequence[_Said], classes: Sequence[Attribute], found: Sequence[Attribute], place: Place) -> Reason:
    if said:
        one = said[0]
        unknown = [name for name, label in zip(one.names, one.labels, strict=True) if label is None]
        what = {"boxes": "boxes of", "classes": "the classes"}.get(one.attribute.kind, "the class")
        facts = {"what": "no boxes, that is" if unknown == [NO_BOX] else what}
        return Reason("class-unknown", "note", ", ".join(unknown), one.attribute.key, (place,), facts=facts)
    for item in (*classes, *found):
        code, value = _without_class(item)
        if code:
            return Reason(code, "note", value, item.key, (place,))
    return Reason("no-label", "note", "", "", (place,))


def _without_class(item: Attribute) -> tuple[str, str]:
    """Say why an attribute gives no class, and what it gives instead; nothing where it is no class's business."""
    if item.detected:
        return "class-detected", ", ".join(item.classes or [])
    if item.failure:
        return "job-failed", item.failure
    if item.kind == "verification":
        return "class-only-verified", ", ".join(item.classes or [])
    if item.kind == "other":
        return "class-other-type", item.type
    return ("", "") if item.kind == "mask" else ("class-missing", "")
