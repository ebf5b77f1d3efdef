"""The process that takes in lines of a dataset: `importing.py DATA PROJECT PART`, in the job's folder.

All lines are read, and all their pictures and masks found, before the first is taken in: it is all or nothing.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import numpy as np

from edge_agent.building.datasets.dataset import Example, write_color
from edge_agent.building.datasets.manifests.attributes import attributes
from edge_agent.building.datasets.masks import read_mask
from edge_agent.building.datasets.reading import Reading, read_dataset
from edge_agent.building.datasets.sentences import sentence
from edge_agent.errors import DatasetError, EdgeAgentError, StudioError
from edge_agent.studio.aws.call import Objects
from edge_agent.studio.aws.storage.buckets import Buckets
from edge_agent.studio.jobs.kinds import add_labels
from edge_agent.studio.store.projects import Label
from edge_agent.studio.store.store import Store

LINES, BUCKETS, KNOWN = "lines.jsonl", "buckets.json", "known.json"
_LONGEST_LINE = 8192  # of DatasetEntry
_SHOWN = 5  # problems that one message names
_BY = "service API"


class _Wanted(NamedTuple):
    """A line, and where its picture and its mask lie here."""

    line: str
    content: dict[str, Any]
    local: dict[str, Any]
    #: the picture that the dataset has of this reference already; 0 for none
    picture: int


def made_buckets(data: Path) -> Path:
    """Give the folder of the buckets that are made by calls."""
    return data / "buckets"


def main() -> None:
    """Entry point of the process."""
    data, project, part = sys.argv[1:]
    folder = Path.cwd()
    try:
        buckets = Buckets(made_buckets(Path(data)), json.loads((folder / BUCKETS).read_bytes()))
        known = json.loads((folder / KNOWN).read_bytes())
        with contextlib.closing(Store(Path(data))) as store:
            entries = take_in(store, buckets, project, part, (folder / LINES).read_bytes(), known, folder)
        print(json.dumps({"entries": entries}))  # noqa: T201
    except EdgeAgentError as error:
        sys.exit(f"edge-agent: {' '.join(str(error).split())}")


def take_in(
    store: Store, buckets: Objects, project: str, part: str, content: bytes, known: dict[str, int], folder: Path
) -> list[tuple[str, str, int]]:
    """Take in lines; give reference, line and picture of each.

    Raises:
        EdgeAgentError: a line can't be used; nothing was taken in.
    """
    wanted = _find(store, buckets, project, content, known, folder)
    examples = _read(wanted, folder)
    labels = {label.name: label for example in examples for label in _labels(example)}
    numbers = [0, *add_labels(store, project, list(labels.values()))]
    entries = []
    for done, (line, example) in enumerate(zip(wanted, examples, strict=True), start=1):
        entries.append((line.content["source-ref"], line.line, _add(store, project, part, line, example)))
        _say(store, project, part, entries[-1][2], example, tuple(labels), numbers)
        print(json.dumps({"progress": "taking in", "done": done, "total": len(wanted)}), file=sys.stderr)  # noqa: T201
    store.manifests.write(project)
    return entries


def _find(
    store: Store, buckets: Objects, project: str, content: bytes, known: dict[str, int], folder: Path
) -> list[_Wanted]:
    """Read the lines, and find what they refer to."""
    found: dict[str, _Wanted] = {}
    problems: list[str] = []
    for number, raw in enumerate(content.decode("utf-8", "replace").lstrip("\ufeff").splitlines(), start=1):
        if not raw.strip():
            continue
        try:
            line = _line(raw)
            reference = line["source-ref"]
            if reference in found:
                raise StudioError(f"source-ref {reference} is there twice")
            picture = known.get(reference, 0)
            here = store.pictures.path(project, picture) if picture else _local(buckets, reference, folder)
            local = {**line, "source-ref": str(here)}
            for attribute in attributes(line):
                if attribute.kind == "mask" and isinstance(attribute.value, str):
                    local[attribute.key] = str(_local(buckets, attribute.value, folder))
            found[reference] = _Wanted(raw.strip(), line, local, picture)
        except StudioError as error:
            problems.append(f"line {number}: {error}")
    if not found and not problems:
        raise DatasetError("the manifest has no line")
    _refuse(problems)
    return list(found.values())


def _line(raw: str) -> dict[str, Any]:
    if len(raw) > _LONGEST_LINE:
        raise StudioError(f"it has {len(raw)} characters, expected {_LONGEST_LINE} at most")
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict) or not isinstance(line.get("source-ref"), str):
        raise StudioError(f"{raw[:80]!r} is no JSON object with a source-ref")
    return line


def _local(buckets: Objects, reference: str, folder: Path) -> Path:
    """Give the file of an s3:// reference. Paths of this machine are nobody's business who calls from elsewhere."""
    address = reference.removeprefix("s3://")
    bucket, _, key = address.partition("/")
    if address == reference or not bucket or not key:
        raise StudioError(f"{reference[:200]!r} is no address of an object, expected s3://BUCKET/KEY")
    try:
        return buckets.open(bucket, key, folder / "fetched")
    except StudioError:
        if unquote(key) == key:
            raise
        return buckets.open(bucket, unquote(key), folder / "fetched")


def _read(wanted: list[_Wanted], folder: Path) -> list[Example]:
    """Read the lines as all commands read manifests; one example for each."""
    manifest = folder / "local.manifest"
    manifest.write_text("".join(json.dumps(line.local) + "\n" for line in wanted))
    dataset = read_dataset(manifest, Reading(folder))
    by_number = {example.number: example for example in dataset.examples}
    missing = [number for number in range(1, len(wanted) + 1) if number not in by_number]
    if missing:
        stops = [sentence(reason) for reason in dataset.reasons if reason.stops]
        _refuse(stops or [f"line {number} can't be used" for number in missing])
    for reason in dataset.reasons:
        print(f"note: {sentence(reason)}", file=sys.stderr)  # noqa: T201
    return [by_number[number] for number in range(1, len(wanted) + 1)]


def _refuse(problems: list[str]) -> None:
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise DatasetError("; ".join([*problems[:_SHOWN], *more]))


def _labels(example: Example) -> list[Label]:
    if example.mask is None:
        return []
    return [Label(name, write_color(color)) for name, color in example.mask.colors.items() if name is not None]


def _add(store: Store, project: str, part: str, line: _Wanted, example: Example) -> int:
    if line.picture:
        return line.picture
    with tempfile.TemporaryDirectory(dir=store.layout.root) as temporary:
        received = Path(temporary) / "picture"
        shutil.copyfile(example.path, received)
        name = line.content["source-ref"].rpartition("/")[2]
        return store.pictures.add(project, name, received, by=_BY).id


def _say(
    store: Store, project: str, part: str, picture: int, example: Example, names: tuple[str, ...], numbers: list[int]
) -> None:
    store.pictures.say(project, [picture], class_=example.label, part=part, by=_BY)  # type: ignore[arg-type]
    if example.mask is None or example.label != "anomaly":
        return
    classes = np.array(numbers, np.uint8)[read_mask(example.mask, names).classes]
    if classes.any():
        revision = store.pictures.get(project, picture).revision
        store.masks.save(project, picture, classes.tobytes(), revision, by=_BY)
