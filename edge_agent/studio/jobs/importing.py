"""Taking in a dataset: `importing.py DATA PROJECT PATH [IMAGES]`.

What `edge-agent dataset check` reads is read here, by the same reader: pictures, classes, labels and masks.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from edge_agent.building.datasets.dataset import Example
from edge_agent.building.datasets.masks import read_mask
from edge_agent.building.datasets.reading import Reading, read_datasets
from edge_agent.building.datasets.sentences import sentence
from edge_agent.errors import DatasetError, EdgeAgentError
from edge_agent.studio.jobs.fetching import fetch, is_in_s3
from edge_agent.studio.jobs.kinds import add_labels
from edge_agent.studio.store.layout import TEST, TRAIN
from edge_agent.studio.store.projects import Label
from edge_agent.studio.store.store import Store

_BY = "import"


def main() -> None:
    """Entry point of the process."""
    data, project, path, *images = sys.argv[1:]
    try:
        with contextlib.closing(Store(Path(data))) as store:
            if is_in_s3(path):
                with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix="fetched-") as folder:
                    counts = import_dataset(store, project, fetch(path, Path(folder)), Path(folder), fetching=True)
            else:
                counts = import_dataset(store, project, Path(path), Path(images[0]) if images else None)
        print(json.dumps(counts))  # noqa: T201
    except EdgeAgentError as error:
        sys.exit(f"edge-agent: {error}")


def import_dataset(
    store: Store, project: str, path: Path, images: Path | None, *, fetching: bool = False
) -> dict[str, int]:
    """Copy a dataset's pictures, with what is known of them, into a project; return how many were added and there.

    With `fetching` those that a manifest has in S3 are downloaded to the folder `images`.

    Raises:
        DatasetError: the dataset can't be read.
        StudioError: a label can't be one of the project's.
    """
    datasets = read_datasets(path, None, Reading(images, fetch=fetching))
    for dataset in (datasets.train, datasets.test):
        for reason in dataset.reasons if dataset else ():
            print(f"note: {sentence(reason)}", file=sys.stderr)  # noqa: T201
    together = datasets.together
    if not together.examples:
        raise DatasetError(*(sentence(reason) for reason in together.reasons if reason.stops))
    parts = [(TRAIN, datasets.train), *([(TEST, datasets.test)] if datasets.test else [])]
    total = sum(len(dataset.examples) for _, dataset in parts)
    counts = {"added": 0, "duplicate": 0, "refused": 0}
    done = 0
    for part, dataset in parts:
        names = tuple(label.name for label in dataset.labels)
        found = [Label(label.name, label.color) for label in dataset.labels]
        numbers = [0, *add_labels(store, project, found)]
        for example in dataset.examples:
            try:
                counts[_add(store, project, example, part, names, numbers)] += 1
            except EdgeAgentError as error:
                counts["refused"] += 1
                print(f"{example.reference}: {error}", file=sys.stderr)  # noqa: T201
            done += 1
            print(json.dumps({"progress": "taking in", "done": done, "total": total}), file=sys.stderr)  # noqa: T201
    store.manifests.write(project)
    return counts


def _add(store: Store, project: str, example: Example, part: str, names: tuple[str, ...], numbers: list[int]) -> str:
    with tempfile.TemporaryDirectory(dir=store.layout.root) as folder:
        received = Path(folder) / "picture"
        shutil.copyfile(example.path, received)
        added = store.pictures.add(project, example.path.name, received, by=_BY)
    if added.state == "added":
        store.pictures.say(project, [added.id], class_=example.label, part=part, by=_BY)  # type: ignore[arg-type]
        if example.mask is not None:
            classes = np.array(numbers, np.uint8)[read_mask(example.mask, names).classes]
            if classes.any():
                store.masks.save(project, added.id, classes.tobytes(), 0, by=_BY)
    return added.state
