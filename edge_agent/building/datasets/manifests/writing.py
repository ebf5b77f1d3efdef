"""Writing Ground Truth manifests: of pictures that someone labelled, and of what was read from another manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from edge_agent.building.datasets.dataset import ANOMALY, Dataset, Example, Rgb, write_color
from edge_agent.building.datasets.manifests.attributes import CLASSIFICATION, SEGMENTATION, attributes
from edge_agent.building.datasets.manifests.labels import read_label
from edge_agent.building.datasets.manifests.plain_masks import PlainMasks
from edge_agent.building.datasets.names import Names
from edge_agent.building.datasets.reasons import Place
from edge_agent.building.datasets.references.address import is_address

_BACKGROUND = "BACKGROUND"
_JOB = "labeling-job/anomaly-label"
_LONGEST_PATH = 255


def write_manifest(
    dataset: Dataset, path: Path, *, prefix: str = "", local: bool = False, unlabelled: bool = False
) -> int:
    """Write the labelled pictures as a manifest; return how many. `unlabelled` writes the others too.

    With a `prefix` the addresses are that and the files' paths inside the dataset, with `local` the files' paths.
    Without either a line that came from a manifest stays as it is, and what its label was read from is added only
    where the line alone would not say it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lines: list[Mapping[str, Any]] = ground_truth_lines(
        dataset, path.parent, prefix=prefix, kept=not prefix and not local
    )
    if unlabelled:
        addresses = _Addresses(dataset.source, path.parent, prefix)
        rest = [example for example in dataset.examples if example.label is None]
        lines += [
            _rebased(example, addresses) if example.line is not None else {"source-ref": addresses.of(example.path)}
            for example in rest
        ]
    temporary = path.with_name(f".{path.name}.writing")
    temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    temporary.replace(path)
    return len(lines)


def ground_truth_lines(
    dataset: Dataset, folder: Path, *, prefix: str = "", kept: bool = False
) -> list[Mapping[str, Any]]:
    """Describe the labelled pictures, one object each; `kept` leaves those that came from a manifest as they are.

    Masks that a manifest can't describe are written to `folder`/masks as it can.
    """
    now = timestamp()
    addresses = _Addresses(dataset.source, folder, prefix)
    plain = PlainMasks(folder / "masks")
    lines: list[Mapping[str, Any]] = []
    for example in dataset.labelled:
        is_plain = example.mask is None or not example.mask.any_value
        shown = example if is_plain else example._replace(mask=plain.write(example))
        lines.append(_kept(shown, addresses, now) if kept and shown.line is not None else _line(shown, addresses, now))
    return lines


def _kept(example: Example, addresses: _Addresses, now: str) -> Mapping[str, Any]:
    """Give the line that a picture came from, and its label where the line alone does not say it."""
    line = _rebased(example, addresses)
    if _says(line, example):
        return line
    told = {**line, **classification(str(line["source-ref"]), str(example.label), _JOB, now)}
    return told if _says(told, example) else _line(example, addresses, now)


def _says(line: Mapping[str, Any], example: Example) -> bool:
    return read_label(attributes(line), Names(), (), Place()).label == example.label


def _rebased(example: Example, addresses: _Addresses) -> dict[str, Any]:
    """Give the line that a picture came from, with its relative paths seen from where it is written to."""
    assert example.line is not None
    line = dict(example.line)
    if not is_address(example.reference):
        line["source-ref"] = addresses.of(example.path)
    for item in attributes(line):
        if item.kind != "mask" or item.detected or not isinstance(item.value, str) or is_address(item.value):
            continue
        if example.mask is not None and item.key == example.mask.attribute:
            line[item.key] = addresses.of(example.mask.path)
        elif example.source is not None and (example.source.parent / item.value[:_LONGEST_PATH]).exists():
            line[item.key] = addresses.of(example.source.parent / item.value)
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
            "type": CLASSIFICATION,
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
    line = classification(addresses.of(example.path), str(example.label), _JOB, now)
    if example.mask:
        background = example.mask.colors.get(None, (255, 255, 255))
        shown: list[tuple[str, Rgb]] = [(_BACKGROUND, background)]
        shown += [(name, color) for name, color in example.mask.colors.items() if name is not None]
        line["anomaly-mask-ref"] = addresses.of(example.mask.path)
        line["anomaly-mask-ref-metadata"] = {
            "internal-color-map": {
                str(number): {"class-name": name, "hex-color": write_color(color), "confidence": 0.0}
                for number, (name, color) in enumerate(shown)
            },
            "job-name": "labeling-job/anomaly-mask", "human-annotated": "yes", "creation-date": now,
            "type": SEGMENTATION,
        }  # fmt: skip
    return line
