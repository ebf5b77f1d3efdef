"""The sentences: each reason's code, and what is said of it. Nowhere else are reasons put into words."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from edge_agent.building.datasets.reasons import Place, Reason
from edge_agent.errors import one_line

_SHOWN = 300  # characters of a value

# {count:picture|pictures} is "1 picture" or "3 pictures". {place} is the first place, with a colon behind it; {first}
# is the same in the middle of a sentence.
_SENTENCES = {
    # pictures
    "picture-unreadable": "{place}{error}",
    "picture-limits": "{place}{path} is {width}x{height}, expected {least}x{least} to {most}x{most}",
    "picture-size": "{place}{path} is {width}x{height}, the other pictures are {common}",
    "same-picture": "{place}{path} ({label}) and {other} ({other_label}) are the same picture",
    "test-picture-trained": "{place}test picture {path} is also a training picture, {other}",
    "picture-twice": "{count:picture is|pictures are} there twice, such as {path}; that makes the figures look better",
    # masks
    "mask-unreadable": "{place}{error}",
    "mask-size": "{place}mask {path} is {found}, its picture {picture} is {expected}",
    "mask-colours": "{place}mask {path} has the colours {value}, declared are {declared}",
    "mask-on-normal": "{place}{path} is labelled normal but its mask shows {value}",
    "mask-empty": "{path} is labelled anomaly but no pixel is marked; it counts for the verdict, not for the mask",
    "masks-empty": "there are {count:mask|masks}, but none marks a pixel: is black background and white anomaly "
    "in them?",
    "mask-of-none": "mask {path} belongs to no picture",
    "masks-of-normal-missing": "{count:normal picture names|normal pictures name} a mask that is not there; a normal "
    "picture needs none",
    # files
    "files-left-out": "{count:file|files} in {folder} are left out, such as {name}: PNG or JPEG only",
    # numbers
    "no-label": "{count:picture has|pictures have} no label and will not be used",
    "few-normal": "{source} has {count} normal pictures, expected {least} or more",
    "test-unlabelled": "test dataset {source} has no labelled picture",
    "advise-normal": "{count:normal picture|normal pictures}, {advised} or more are advised: what varies among good "
    "parts and is not in the pictures will be called anomalous",
    "advise-anomaly": "{count:anomalous picture|anomalous pictures}, {advised} or more are advised: the threshold and "
    "the confidence are less certain",
    "advise-any-anomaly": "{count:anomalous picture|anomalous pictures}, {advised} or more are advised: the threshold "
    "comes from normal pictures alone, and how many anomalies are found can't be known",
    "advise-test": "{count} {label} test pictures, {advised} or more are advised: the figures will be coarse",
    "advise-label": "anomaly label '{value}' is alone on {count} pictures, {advised} or more are advised: its mask "
    "will be less exact",
}


class _Words(string.Formatter):
    """Formats numbers with the word that fits: {count:picture|pictures}."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        if "|" in format_spec:
            one, many = format_spec.split("|")
            return f"{value} {one if value == 1 else many}"
        return super().format_field(value, format_spec)


_WORDS = _Words()


def sentence(reason: Reason) -> str:
    """Say a reason in one line that can be shown and sent."""
    first = _where(reason.places[0]) if reason.places else ""
    known = {
        "value": reason.value[:_SHOWN],
        "attribute": reason.attribute[:_SHOWN],
        "count": reason.times,
        "place": f"{first}: " if first else "",
        "first": first or "here",
    }
    return one_line(_WORDS.vformat(_SENTENCES[reason.code], (), known | dict(reason.facts)))


def _where(place: Place) -> str:
    source = "" if place.source is None else str(place.source)
    return f"{source}, line {place.line}" if place.line is not None else ""


def reason_fields(reason: Reason) -> Mapping[str, Any]:
    """Give a reason as a program reads it."""
    return {
        "code": reason.code,
        "weight": reason.weight,
        "count": reason.times,
        "value": reason.value or None,
        "attribute": reason.attribute or None,
        "places": [
            {
                "source": place.source and str(place.source),
                "line": place.line,
                "path": place.path and str(place.path),
            }
            for place in reason.places
        ],
        "text": sentence(reason),
    }
