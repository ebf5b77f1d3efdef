"""SageMaker Ground Truth manifests, JSON Lines, for classification and segmentation.

Attribute names are free: `X` with `X-metadata` of type groundtruth/image-classification says normal or anomaly, `Y-ref`
with `Y-ref-metadata` of type groundtruth/semantic-segmentation says where the mask is and what its colours mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, NamedTuple

from edge_agent.building.datasets.dataset import (
    ANOMALY,
    NORMAL,
    Dataset,
    Example,
    MaskFile,
    Rgb,
    check_distinct,
    label_colors,
    parse_color,
)
from edge_agent.building.datasets.reasons import Reason
from edge_agent.building.datasets.references import Resolver
from edge_agent.errors import DatasetError

_CLASSIFICATION, _SEGMENTATION = "groundtruth/image-classification", "groundtruth/semantic-segmentation"
_BACKGROUND = "BACKGROUND"
_METADATA = "-metadata"
_DETECTED = "-detected"  # what a model said, in an evaluation manifest
_SHOWN_ERRORS = 10


def read_manifest(path: Path, resolver: Resolver) -> Dataset:
    """Read a manifest.

    A class name that is neither normal nor anomaly leaves the picture unlabelled. A mask that can't be found is an
    error for an anomalous picture only: normal ones often share a dummy that nobody kept.

    Raises:
        DatasetError: a line is not of the format, or a picture can't be found; the line is named.
    """
    examples: list[Example] = []
    colors: dict[str, Rgb] = {}
    errors: list[str] = []
    lost = 0
    for number, line in _lines(path):
        try:
            example, found = _read_line(line, resolver)
            example = example._replace(source=path, number=number)
        except ValueError as error:
            errors.append(f"line {number}: {error}")
            continue
        lost += example.label == NORMAL and found.mask_missing
        for name, color in found.colors.items():
            if name is not None:
                colors.setdefault(name, color)
        examples.append(example)
    if errors:
        more = f"; and {len(errors) - _SHOWN_ERRORS} more" if len(errors) > _SHOWN_ERRORS else ""
        raise DatasetError(f"{path}, " + "; ".join(errors[:_SHOWN_ERRORS]) + more)
    reasons = (Reason("masks-of-normal-missing", times=lost),) if lost else ()
    return Dataset(path, tuple(examples), label_colors(colors, source=path), reasons)


class _Found(NamedTuple):
    colors: Mapping[str | None, Rgb]
    mask_missing: bool


def _lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(f"{path} is not UTF-8 text, expected a manifest in JSON Lines") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{path}, line {number} is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise DatasetError(f"{path}, line {number} is not a JSON object")
        yield number, value


def _read_line(line: Mapping[str, Any], resolver: Resolver) -> tuple[Example, _Found]:
    reference = line.get("source-ref")
    if not isinstance(reference, str) or not reference:
        raise ValueError("'source-ref' is missing, expected the address of a picture")
    mask: MaskFile | None = None
    found = _Found({}, False)
    attributes = _attributes(line)
    label = _label([metadata for _, metadata in attributes if metadata.get("type") == _CLASSIFICATION])
    for key, metadata in attributes:
        if metadata.get("type") == _SEGMENTATION:
            mask, found = _read_mask_reference(line, key, metadata, resolver)
    if label == ANOMALY and found.mask_missing:
        raise ValueError(f"the mask of {reference} can't be found; {resolver.tried()}")
    # A mask without a verdict says that something is wrong there.
    has_class = any(metadata.get("type") == _CLASSIFICATION for _, metadata in attributes)
    if not has_class and mask is not None and any(name is not None for name in mask.colors):
        label = ANOMALY
    return Example(resolver.picture(reference), reference, label, mask, line), found


def _attributes(line: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """List the attributes and their metadata, without what a model said."""
    names = [(key.removesuffix(_METADATA), metadata) for key, metadata in line.items() if key.endswith(_METADATA)]
    return [(key, value) for key, value in names if isinstance(value, dict) and not key.endswith(_DETECTED)]


def _label(metadata: list[Mapping[str, Any]]) -> Literal["normal", "anomaly"] | None:
    """Read the classification; what people said goes before what a labelling job said by itself."""
    by_people = [entry for entry in metadata if str(entry.get("human-annotated", "yes")).lower() != "no"]
    classes = {str(entry.get("class-name", "")).lower() for entry in by_people or metadata}
    if {NORMAL, ANOMALY} <= classes:
        raise ValueError("one attribute says normal and another anomaly")
    return NORMAL if NORMAL in classes else ANOMALY if ANOMALY in classes else None


def _read_mask_reference(
    line: Mapping[str, Any], key: str, metadata: Mapping[str, Any], resolver: Resolver
) -> tuple[MaskFile | None, _Found]:
    reference = line.get(key)
    entries = metadata.get("internal-color-map")
    if not isinstance(reference, str) or not isinstance(entries, dict):
        raise ValueError(f"'{key}' and its 'internal-color-map' are expected together")
    colors: dict[str | None, Rgb] = {}
    for entry in entries.values():
        if not isinstance(entry, dict) or not isinstance(entry.get("class-name"), str):
            raise ValueError(f"'internal-color-map' of '{key}' has an entry without 'class-name'")
        name = entry["class-name"]
        colors[None if name.upper() == _BACKGROUND else name] = parse_color(str(entry.get("hex-color")))
    check_distinct(colors)
    path = resolver.mask(reference)
    return (MaskFile(path, colors) if path else None), _Found(colors, path is None)


def write_manifest(dataset: Dataset, path: Path, *, prefix: str = "", local: bool = False) -> int:
    """Write the labelled pictures as a manifest; return how many.

    With a `prefix` the addresses are that and the files' paths inside the dataset, with `local` the files' paths.
    Without either a line that came from a manifest stays as it is.
    """
    lines = ground_truth_lines(dataset, path.parent, prefix=prefix, kept=not prefix and not local)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.writing")
    temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    temporary.replace(path)
    return len(lines)


def ground_truth_lines(
    dataset: Dataset, folder: Path, *, prefix: str = "", kept: bool = False
) -> list[Mapping[str, Any]]:
    """Describe the labelled pictures, one object each; `kept` leaves those that came from a manifest as they are."""
    now = timestamp()
    addresses = _Addresses(dataset.source, folder, prefix)
    return [
        _kept(example, addresses) if kept and example.line is not None else _line(example, addresses, now)
        for example in dataset.labelled
    ]


def _kept(example: Example, addresses: _Addresses) -> Mapping[str, Any]:
    """Give the line that a picture came from, with its relative paths seen from where it is written to."""
    assert example.line is not None
    line = dict(example.line)
    if not example.reference.startswith("s3://"):
        line["source-ref"] = addresses.of(example.path)
    for key, metadata in _attributes(line):
        is_mask = metadata.get("type") == _SEGMENTATION and example.mask is not None
        if is_mask and not str(line.get(key)).startswith("s3://"):
            assert example.mask is not None
            line[key] = addresses.of(example.mask.path)
    return line


def timestamp() -> str:
    """Give the time as these manifests write it: UTC, to the microsecond."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")


def classification(reference: str, label: str, job: str, now: str) -> dict[str, Any]:
    """Write the line of a picture that a person labelled."""
    return {
        "source-ref": reference,
        "anomaly-label": int(label == ANOMALY),
        "anomaly-label-metadata": {
            "confidence": 1,
            "job-name": job,
            "class-name": label,
            "human-annotated": "yes",
            "creation-date": now,
            "type": _CLASSIFICATION,
        },
    }


class _Addresses(NamedTuple):
    source: Path
    folder: Path
    prefix: str

    def of(self, path: Path) -> str:
        absolute = path.resolve()
        if not self.prefix:
            return _relative(absolute, self.folder.resolve()) or str(absolute)
        inside = _relative(absolute, self.source.resolve()) or "/".join(absolute.parts[-2:])
        return f"{self.prefix.rstrip('/')}/{inside}"


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else ""


def _line(example: Example, addresses: _Addresses, now: str) -> dict[str, Any]:
    line = classification(addresses.of(example.path), str(example.label), "labeling-job/anomaly-label", now)
    if example.mask:
        background = example.mask.colors.get(None, (255, 255, 255))
        shown: list[tuple[str, Rgb]] = [(_BACKGROUND, background)]
        shown += [(name, color) for name, color in example.mask.colors.items() if name is not None]
        line["anomaly-mask-ref"] = addresses.of(example.mask.path)
        line["anomaly-mask-ref-metadata"] = {
            "internal-color-map": {
                str(number): {"class-name": name, "hex-color": "#{:02x}{:02x}{:02x}".format(*color), "confidence": 0.0}
                for number, (name, color) in enumerate(shown)
            },
            "job-name": "labeling-job/anomaly-mask", "human-annotated": "yes", "creation-date": now,
            "type": _SEGMENTATION,
        }  # fmt: skip
    return line
