"""From a manifest to a dataset: every line is read, and all that is wrong with it is said at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Dataset, Example, MaskFile, Rgb, label_colors
from edge_agent.building.datasets.litter import names_litter
from edge_agent.building.datasets.manifests.attributes import Attribute, attributes
from edge_agent.building.datasets.manifests.labels import NO_BOX, NO_CLASS, read_label
from edge_agent.building.datasets.manifests.lines import Line
from edge_agent.building.datasets.manifests.masks import choose_mask
from edge_agent.building.datasets.masks import read_mask
from edge_agent.building.datasets.names import Label, Names, key
from edge_agent.building.datasets.reasons import Place, Reason, in_order
from edge_agent.building.datasets.references.claims import Claims
from edge_agent.building.datasets.references.resolver import Found, Resolver
from edge_agent.building.datasets.unlabelled import weighed
from edge_agent.errors import DatasetError

_REFERENCE = "source-ref"
_THREADS = 2


class Manifest(NamedTuple):
    """How a manifest is read: where its references lie, what its names mean, which attributes count."""

    path: Path
    resolver: Resolver
    names: Names = Names()
    wanted: frozenset[str] = frozenset()


class _Entry(NamedTuple):
    example: Example | None
    reasons: tuple[Reason, ...] = ()
    #: the attributes of the line
    found: tuple[Attribute, ...] = ()
    #: why there is no label
    why: Reason | None = None
    #: the label is what the mask shows
    by_mask: bool = False


def read_manifest(manifest: Manifest, lines: Iterable[Line]) -> Dataset:
    """Read the lines of a manifest.

    A mask that can't be found is an error for an anomalous picture only: normal ones often share a dummy that nobody
    kept.

    Raises:
        DatasetError: there are more labels than a model can have.
    """
    pictures, masks = Claims(), Claims()
    entries = [_entry(manifest, line, pictures, masks) for line in lines]
    entries = _labelled_by_masks(entries)
    reasons = [reason for entry in entries for reason in entry.reasons]
    reasons += pictures.conflicts(manifest.path, "picture")
    reasons += masks.conflicts(manifest.path, "mask")
    examples = tuple(entry.example for entry in entries if entry.example is not None)
    reasons += _masks_that_are_pictures(examples)
    colors: dict[str, Rgb] = {}
    for example in examples:
        for name, color in (example.mask.colors if example.mask else {}).items():
            if name is not None:
                colors.setdefault(name, color)
    if any(reason.code in ("picture-missing", "mask-missing") for reason in reasons):
        reasons.append(Reason("where-looked", facts={"roots": manifest.resolver.tried()}))
    reasons += [Reason("name-unused", value=name) for name in manifest.names.unused(_names_met(entries))]
    reasons += [Reason("attribute-unused", value=name) for name in sorted(manifest.wanted - _attributes_met(entries))]
    whys = [entry.why for entry in entries if entry.why and entry.example is not None]
    reasons += weighed(whys, {example.label for example in examples})
    return Dataset(manifest.path, examples, label_colors(colors, source=manifest.path), in_order(reasons))


def _entry(manifest: Manifest, line: Line, pictures: Claims, masks: Claims) -> _Entry:
    if line.value is None:
        return _Entry(None, (line.reason,) if line.reason else ())
    place = Place(manifest.path, line.number)
    reference = line.value.get(_REFERENCE)
    if not isinstance(reference, str) or not reference:
        return _Entry(None, (Reason("no-reference", "broken", places=(place,), facts={"offer": _offer(line.value)}),))
    if names_litter(reference):
        name = reference.replace("\\", "/").rsplit("/", 1)[-1]
        return _Entry(None, (Reason("hidden", places=(place._replace(path=Path(name)),)),))
    reasons: list[Reason] = []
    found = attributes(line.value)
    labelled = read_label(found, manifest.names, manifest.wanted, place)
    why = labelled.why
    if why is not None and why.stops:  # attributes that contradict each other
        reasons.append(why)
        why = None
    reasons += labelled.notes
    chosen = choose_mask(found, manifest.wanted, place)
    reasons += chosen.reasons
    picture = _find(manifest, reference, place, reasons, "picture-missing", ())
    if picture is None:
        reasons[-1] = reasons[-1]._replace(facts={**reasons[-1].facts, "label": labelled.label})
    path = None if picture is None else picture.path
    if picture is not None:
        pictures.claim(picture, reference, line.number)
        _say_nearly(picture, reference, place, reasons)
    mask = None
    if chosen.reference:
        missing: list[Reason] = []
        own = () if path is None else (path,)
        seen = _find(manifest, chosen.reference, place._replace(path=path), missing, "mask-missing", own)
        if seen is not None:
            mask = MaskFile(seen.path, chosen.colors, attribute=chosen.attribute)
            masks.claim(seen, chosen.reference, line.number)
            _say_nearly(seen, chosen.reference, place, reasons)
        elif labelled.label == NORMAL and missing[0].code == "mask-missing":
            reasons.append(Reason("masks-of-normal-missing", places=(place,)))
        else:
            reasons += missing
    if path is None or (labelled.why is not None and labelled.why.stops):
        return _Entry(None, tuple(reasons), tuple(found))
    example = Example(path, reference, labelled.label, mask, line.value, manifest.path, line.number)
    # A mask without a verdict says by itself whether something is wrong.
    by_mask = mask is not None and why is not None and why.code in ("no-label", "job-failed")
    if chosen.reference and mask is None and why is not None and why.code == "no-label":
        return _Entry(None, tuple(reasons), tuple(found))  # the missing mask was to say it
    return _Entry(example, tuple(reasons), tuple(found), why, by_mask)


def _names_met(entries: Iterable[_Entry]) -> set[str]:
    kinds = ("class", "classes", "boxes")
    met = {key(name) for entry in entries for item in entry.found if item.kind in kinds for name in item.classes or ()}
    empty = any(item.kind in kinds and item.classes == [] for entry in entries for item in entry.found)
    return met | {NO_BOX, NO_CLASS} if empty else met


def _attributes_met(entries: Iterable[_Entry]) -> set[str]:
    return {item.key for entry in entries for item in entry.found}


def _offer(line: Mapping[str, Any]) -> str:
    near = [key for key in line if key.lower().replace("_", "-").strip() in (_REFERENCE, "source", "sourceref")]
    if near:
        return f"; '{near[0]}' is there"
    keys = ", ".join(list(line)[:5])
    return f"; the line has {keys}" if keys else "; the line is empty"


def _find(
    manifest: Manifest, reference: str, place: Place, reasons: list[Reason], code: str, but: tuple[Path, ...]
) -> Found | None:
    try:
        found = manifest.resolver.find(reference, but=but)
    except ValueError as error:
        reasons.append(Reason("not-to-be-looked-at", "broken", places=(place,), facts={"error": str(error)}))
        return None
    if found is None:
        picture = str(place.path) if place.path else "the picture"
        reasons.append(Reason(code, "broken", reference, places=(place,), facts={"picture": picture}))
    return found


def _say_nearly(found: Found, reference: str, place: Place, reasons: list[Reason]) -> None:
    if found.nearly:
        facts = {"reference": reference, "path": found.path}
        reasons.append(Reason("found-nearly", places=(place._replace(path=found.path),), facts=facts))


def _masks_that_are_pictures(examples: tuple[Example, ...]) -> list[Reason]:
    pictures = {example.path for example in examples}
    return [
        Reason(
            "mask-is-picture", "broken", places=(Place(example.source, example.number, example.path),),
            facts={"path": example.mask.path},
        )
        for example in examples
        if example.mask and example.mask.path in pictures
    ]  # fmt: skip


def _labelled_by_masks(entries: list[_Entry]) -> list[_Entry]:
    """Label what has a mask and no class by what the mask shows: marked is anomaly, unmarked is normal."""
    if not any(entry.by_mask for entry in entries):
        return entries

    def labelled(entry: _Entry) -> _Entry:
        return _by_mask(entry) if entry.by_mask else entry

    with ThreadPoolExecutor(_THREADS) as pool:
        done = list(pool.map(labelled, entries))
    labels: list[Label | None] = [entry.example.label for entry in done if entry.by_mask and entry.example]
    facts = {"marked": labels.count(ANOMALY), "unmarked": labels.count(NORMAL)}
    note = Reason("labelled-by-mask", times=len(labels), facts=facts)
    return [*done, _Entry(None, (note,))]


def _by_mask(entry: _Entry) -> _Entry:
    example = entry.example
    assert example is not None
    assert example.mask is not None
    place = (Place(example.source, example.number, example.path),)
    try:
        mask = read_mask(example.mask, tuple(name for name in example.mask.colors if name is not None))
    except DatasetError as error:
        reason = Reason("mask-unreadable", "broken", places=place, facts={"error": str(error)})
        return entry._replace(example=None, reasons=(*entry.reasons, reason), why=None)
    if mask.undeclared:
        facts = {"path": example.mask.path, "declared": example.mask.declared}
        reason = Reason("mask-colours", "broken", ", ".join(mask.undeclared), places=place, facts=facts)
        return entry._replace(example=None, reasons=(*entry.reasons, reason), why=None)
    label = ANOMALY if mask.classes.any() else NORMAL
    return entry._replace(example=example._replace(label=label), why=None)
