"""The sentences: each reason's code, and what is said of it. Nowhere else are reasons put into words."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from edge_agent.building.datasets.reasons import Place, Reason
from edge_agent.errors import one_line

_SHOWN = 300  # characters of a value
_NAMED = 5  # files in a sentence

# {count:picture|pictures} is "1 picture" or "3 pictures". {place} is the first place, with a colon behind it; {first}
# is the same in the middle of a sentence.
_SENTENCES = {
    # lines of manifests and tables
    "not-json": "{place}this is not JSON: {error}{hint}",
    "not-object": "{place}this is not a JSON object",
    "no-reference": "{place}'source-ref' is missing, expected the address of a picture{offer}",
    "picture-missing": "{place}the picture {value} can't be found",
    "mask-missing": "{place}the mask {value} of {picture} can't be found",
    "where-looked": "looked under {roots}; --images names the folder that holds the bucket's files",
    "not-to-be-looked-at": "{place}{error}",
    "picture-of-two": "{place}{value} and {other} (line {other_line}) would both be the file {path}; give them their "
    "folders under --images",
    "mask-of-two": "{place}the masks {value} and {other} (line {other_line}) would both be the file {path}; give them "
    "their folders under --images",
    "mask-is-picture": "{place}the mask that was found, {path}, is a picture of the dataset",
    "found-nearly": "{count:file was|files were} found under nearly the name of the reference, such as {reference} as "
    "{path}",
    # labels
    "class-both": "{place}'{attribute}' says normal and anomaly at once: {value}",
    "class-conflict": "{place}'{attribute}' says '{value}'{when} and '{other}' says '{other_value}'{other_when}; "
    "--attribute {attribute} or --attribute {other} says which counts",
    "class-unknown": "{count:picture has|pictures have} {what} '{value}' in '{attribute}', which is neither normal nor "
    "anomaly, and can't be used ({first})",
    "class-hidden": "{count:picture has|pictures have} the class '{value}' in '{attribute}', which is the name of a "
    "hidden folder, and will not be used ({first})",
    "class-missing": "{count:picture has|pictures have} no class in '{attribute}' and will not be used ({first})",
    "class-detected": "{count:picture has|pictures have} only what a model said, '{value}' in '{attribute}', and will "
    "not be used ({first})",
    "class-only-verified": "{count:picture has|pictures have} '{value}' in '{attribute}', which judges another "
    "label and is no class, and will not be used ({first})",
    "class-other-type": "{count:picture has|pictures have} '{attribute}' of the type {value}, which says neither "
    "normal nor anomaly, and will not be used ({first})",
    "job-failed": "{count:picture has|pictures have} no class, because the labelling job of '{attribute}' failed: "
    "{value} ({first})",
    "no-label": "{count:picture has|pictures have} no label and will not be used ({first})",
    "names-proposed": "if that is what these names mean, add: {value}",
    "names-needed": "what these names mean has to be said: {value}",
    "side-lost-names-proposed": "with them every picture that could be {sides} is lost; if that is what the names "
    "mean, add: {value}",
    "side-lost-names-needed": "with them every picture that could be {sides} is lost; what the names mean has to be "
    "said: {value}",
    "side-lost-names-none": "with them every picture that could be {sides} is lost",
    "attribute-unused": "--attribute {value}: no line has it",
    "name-unused": "the name '{value}' was given a meaning, and no picture has it",
    "class-spelled": "{count:class name is|class names are} {value} in '{attribute}' and read as '{label}' ({first})",
    "class-no-type": "{count:line has|lines have} no 'type' in the metadata of '{attribute}'; its class is taken "
    "({first})",
    "class-no-metadata": "{count:line has|lines have} no metadata; the value of '{attribute}' is taken as the class "
    "({first})",
    "class-beside": "{count:picture has|pictures have} '{value}' in '{attribute}' too, which is neither normal nor "
    "anomaly; the label comes from '{taken}' ({first})",
    "class-verified": "{count:label was|labels were} judged '{value}' in '{attribute}', a verification job; that is "
    "not taken as a class ({first})",
    "labelled-by-mask": "{count:picture has|pictures have} a mask and no class: {marked} on which something is marked "
    "are taken as anomaly, {unmarked} on which nothing is as normal",
    "project-file": "{path} says: {value}",
    # pictures
    "picture-unreadable": "{place}{error}",
    "picture-limits": "{place}{path} is {width}x{height}, expected {least}x{least} to {most}x{most}",
    "picture-size": "{place}{path} is {width}x{height}{turning}, the other pictures are {common}",
    "picture-exceeds": "{place}{path} has values up to {peak}, expected {full} at most with --bits {bits}",
    "depths-mixed": "{deep:picture has|pictures have} 16 bits a channel, such as {path}, and {shallow:has|have} 8, "
    "such as {other}: how bright the one kind is beside the other is not known; make them alike",
    "depth-unused": "the values of {count:picture|pictures} of 16 bits stay below {below} ({peak} at most), and taken "
    "for full ones they are nearly black; if they are of {bits} bits, add: --bits {bits}",
    "mosaic": "{count:picture looks|pictures look} like the mosaic of a camera's colour filter, such as {path}; if "
    "that is what they are, add --bayer with its pattern, such as --bayer RGGB",
    "pictures-turned": "{count:picture is|pictures are} turned by the EXIF orientation, such as {path}; a client has "
    "to turn them too before it sends pixels",
    "masks-turned-otherwise": "{count:picture has|pictures have} another EXIF orientation than the mask, such as "
    "{path} ({picture_tag}) and {mask} ({mask_tag}); each is taken as it is seen: look with `edge-agent dataset show` "
    "whether the masks lie where they should",
    "transparent": "{count:picture has|pictures have} transparent pixels, such as {path}; the colours behind them are "
    "used",
    "shortcut": "normal and anomalous pictures can be told apart without looking at them, by {value}: a model may "
    "learn that instead of the parts; take both kinds in the same way",
    "test-nearly-trained": "{count:test picture is|test pictures are} nearly the same as training pictures, such as "
    "{path} and {other}; that makes the figures look better",
    "nearly-same-picture": "{count:picture labelled anomaly is|pictures labelled anomaly are} nearly the same as one "
    "labelled normal, such as {path} and {other}",
    "same-picture": "{place}{path} ({label}) and {other} ({other_label}) are the same picture",
    "test-picture-trained": "{place}test picture {path} is also a training picture, {other}",
    "picture-twice": "{count:picture is|pictures are} there twice, such as {path}; that makes the figures look better",
    # masks
    "mask-unreadable": "{place}{error}",
    "mask-size": "{place}mask {path} is {found}, its picture {picture} is {expected}",
    "mask-colours": "{place}mask {path} has the colours {value}, declared are {declared}",
    "mask-on-normal": "{place}{path} is labelled normal but its mask shows {value}",
    "mask-empty": "{count:picture is|pictures are} labelled anomaly but no pixel is marked, such as {path}: {value}; "
    "{count:=it counts|=they count} for the verdict, not for the mask",
    "masks-empty": "there are {count:mask|masks} of anomalous pictures, but none marks a pixel; {path}: {value}",
    "mask-of-none": "{count:mask belongs|masks belong} to no picture: {names}",
    "masks-of-normal-missing": "{count:normal picture names|normal pictures name} a mask that is not there; a normal "
    "picture needs none",
    "mask-job-failed": "{count:picture has|pictures have} no mask, because the labelling job of '{attribute}' failed: "
    "{value} ({first})",
    "mask-no-reference": "{count:line has|lines have} metadata of the mask '{attribute}', but no mask ({first})",
    "mask-no-map": "the mask {value} has no 'internal-color-map' in '{attribute}-metadata', so what it marks is not "
    "known and it is not used ({count:line|lines}, {first})",
    "mask-map": "{place}{error}",
    "mask-conflict": "{place}the masks '{attribute}' ({value}){when} and '{other}' ({other_value}){other_when} can't "
    "both count, and no date says which is later; --attribute {attribute} or --attribute {other} says it",
    "mask-later": "{count:line has|lines have} several masks; '{attribute}' is later than '{other}' and is taken "
    "({first})",
    # files
    "file-no-picture": "{count:file is no picture|files are no pictures} and will not be used: {names}",
    "files-unreadable": "{count:picture|pictures} of the kind {kind} can't be read, such as {name}; convert them, such "
    "as with: magick mogrify -format png '*{kind}'",
    "table-read": "{first} was read with: {value}",
    "pictures-not-there": "{count:picture is|pictures are} not there: {names}",
    "set-aside": "{path} was of an earlier run and is now {name}",
    "boxes-read": "{first} was read as {value}'s: the classes of a picture are what is boxed on it, 'no box' without, "
    "and a line is the picture of that number",
    "columns-unused": "{first}: the columns {value} are not used",
    "folder-unused": "{count:picture|pictures} in the folder {folder} will not be used",
    "folders-may-be": "if that is what these folders hold, add: {value}",
    "pictures-loose": "{count:picture lies|pictures lie} in {folder} itself, in no folder that says what it is, and "
    "will not be used, such as {name}",
    "layout": "read in the layout of {value}: normal is what lies in {good}, anomaly what lies in {bad}",
    "masks-beside": "{count:file that lies|files that lie} beside a picture of that name will be its mask: {names}",
    "kinds-without-masks": "--kinds makes labels of folders for masks, and there are none",
    "no-folders": "{path} has no folder 'normal' or 'anomaly'{way}",
    "name-unmatched": "the name '{value}' was given a meaning, and no folder has it",
    "hidden": "{count:hidden file or folder was|hidden files and folders were} skipped: {names}",
    "left-out": "{count:line or picture is|lines and pictures are} left out: {names}",
    # numbers
    "few-normal": "{source} has {count:normal picture|normal pictures}, expected {least} or more",
    "normal-same": "all {count} normal pictures of {source} are the same picture, expected {least} or more different "
    "ones: of copies nobody learns what good parts differ by",
    "test-unlabelled": "test dataset {source} has no labelled picture",
    "advise-normal": "{count:normal picture|normal pictures}, {advised} or more are advised: what varies among good "
    "parts and is not in the pictures will be called anomalous",
    "advise-anomaly": "{count:anomalous picture|anomalous pictures}, {advised} or more are advised: the threshold and "
    "the confidence are less certain",
    "advise-any-anomaly": "{count:anomalous picture|anomalous pictures}, {advised} or more are advised: the threshold "
    "comes from normal pictures alone, and how many anomalies are found can't be known",
    "advise-test": "{count} {value} test pictures, {advised} or more are advised: the figures will be coarse",
    "advise-label": "anomaly label '{value}' is alone on {count} {attribute}pictures, {advised} or more are advised: "
    "its mask will be less exact",
}


class _Words(string.Formatter):
    """Formats numbers with the word that fits: {count:picture|pictures}, or the word alone: {count:=it|=they}."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        if "|" in format_spec:
            one, many = format_spec.split("|")
            word = one if value == 1 else many
            return word[1:] if word.startswith("=") else f"{value} {word}"
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
        "first": ("first: " if reason.times > 1 else "") + (first or _path(reason)),
        "names": _names(reason),
    }
    return one_line(_WORDS.vformat(_SENTENCES[reason.code], (), known | dict(reason.facts)))


def _where(place: Place) -> str:
    source = "" if place.source is None else str(place.source)
    return f"{source}, line {place.line}" if place.line is not None else ""


def _path(reason: Reason) -> str:
    path = reason.places[0].path if reason.places else None
    return "in the dataset" if path is None else str(path)


def _names(reason: Reason) -> str:
    """Name the files or lines of a reason, the first few of them."""
    names = dict.fromkeys(map(_name, reason.places))
    first = list(names)[:_NAMED]
    more = reason.times - len(first)
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


def _name(place: Place) -> str:
    name = "" if place.path is None else place.path.name
    if place.line is None:
        return name
    return f"line {place.line}" + (f" ({name})" if name else "")


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
