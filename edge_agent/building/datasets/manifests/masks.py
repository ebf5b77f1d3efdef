"""Which mask of a line counts, and what its colours mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from edge_agent.building.datasets.dataset import Rgb, check_distinct, parse_color
from edge_agent.building.datasets.manifests.attributes import Attribute
from edge_agent.building.datasets.reasons import Place, Reason

_COLOR_MAP = "internal-color-map"
_BACKGROUND = "BACKGROUND"


class Chosen(NamedTuple):
    """The reference and colours of a line's mask, if it has one that can be used; and what is to be said."""

    attribute: str = ""
    reference: str = ""
    colors: Mapping[str | None, Rgb] = {}
    reasons: tuple[Reason, ...] = ()


def choose_mask(found: Sequence[Attribute], wanted: Collection[str], place: Place) -> Chosen:
    """Choose the mask of a line: of several the latest, or those of `wanted`.

    What can't be used costs the line its mask, not the manifest.
    """
    notes = []
    usable = []
    for item in found:
        if item.kind != "mask" or item.detected:
            continue
        if item.failure:
            notes.append(Reason("mask-job-failed", "note", item.failure, item.key, (place,)))
        elif not isinstance(item.value, str) or not item.value:
            notes.append(Reason("mask-no-reference", "note", "", item.key, (place,)))
        elif _COLOR_MAP not in item.metadata:
            notes.append(Reason("mask-no-map", "note", item.value, item.key, (place,)))
        else:
            usable.append(item)
    usable = [item for item in usable if item.key in wanted] or usable
    if not usable:
        return Chosen(reasons=tuple(notes))
    chosen, reason = _latest(usable, place)
    if reason:
        notes.append(reason)
    if chosen is None:
        return Chosen(reasons=tuple(notes))
    try:
        colors = _colors(chosen)
    except ValueError as error:
        facts = {"error": str(error)}
        return Chosen(reasons=(*notes, Reason("mask-map", "broken", "", chosen.key, (place,), facts=facts)))
    return Chosen(chosen.key, chosen.value, colors, tuple(notes))


def _latest(masks: Sequence[Attribute], place: Place) -> tuple[Attribute | None, Reason | None]:
    if len({(item.value, str(item.metadata.get(_COLOR_MAP))) for item in masks}) == 1:
        return masks[0], None
    dates = [item.date for item in masks]
    latest = max(date for date in dates if date) if any(dates) else None
    newest = [item for item, date in zip(masks, dates, strict=True) if date == latest]
    if None in dates or len(newest) > 1:
        first, second = (newest if len(newest) > 1 else masks)[:2]
        facts = {"other": second.key, "when": _when(first), "other_when": _when(second), "other_value": second.value}
        return None, Reason("mask-conflict", "broken", first.value, first.key, (place,), facts=facts)
    other = next(item for item in masks if item is not newest[0])
    return newest[0], Reason("mask-later", "note", "", newest[0].key, (place,), facts={"other": other.key})


def _when(attribute: Attribute) -> str:
    date = attribute.date
    return f" ({date:%Y-%m-%d %H:%M})" if date else " (no date)"


def _colors(attribute: Attribute) -> dict[str | None, Rgb]:
    entries: Any = attribute.metadata.get(_COLOR_MAP)
    if not isinstance(entries, dict):
        raise ValueError(f"'{_COLOR_MAP}' of '{attribute.key}' is no object")
    colors: dict[str | None, Rgb] = {}
    for entry in entries.values():
        if not isinstance(entry, dict) or not isinstance(entry.get("class-name"), str):
            raise ValueError(f"'{_COLOR_MAP}' of '{attribute.key}' has an entry without 'class-name'")
        name = entry["class-name"]
        colors[None if name.upper() == _BACKGROUND else name] = parse_color(str(entry.get("hex-color")))
    check_distinct(colors)
    return colors
