"""Taking in what the line saw: `taking.py DATA PROJECT STATE WANTED.json`, kept pictures of an agent's records.

The verdict and the mask become what a model said of the picture, to be confirmed as after a trial. What a person has
said of the record becomes its class.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from edge_agent.building.datasets.dataset import parse_color
from edge_agent.errors import EdgeAgentError, RecordsError
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.records.options import pictures_folder
from edge_agent.records.pictures.stored import Stored, stored
from edge_agent.records.store.reading import Found, find, get, reading
from edge_agent.studio.jobs.kinds import WantedRecords, add_labels
from edge_agent.studio.store.masks import encode_mask
from edge_agent.studio.store.projects import Label
from edge_agent.studio.store.store import Store
from edge_agent.studio.store.writing import write_file


def main() -> None:
    """Entry point of the process."""
    data, project, state, listed = sys.argv[1:]
    try:
        wanted = msgspec.json.decode(Path(listed).read_bytes(), type=WantedRecords)
        with contextlib.closing(Store(Path(data))) as store:
            counts = take_records(store, project, Path(state), wanted)
        print(json.dumps(counts))  # noqa: T201
    except EdgeAgentError as error:
        sys.exit(f"edge-agent: {error}")


def take_records(store: Store, project: str, state: Path, wanted: WantedRecords) -> dict[str, int]:
    """Take the kept pictures of records into a project; return how many were added, there already, and gone.

    Raises:
        RecordsError: the records can't be read, or one of them is not there.
    """
    folder = state / "records"
    with reading(folder, seconds=600.0) as connection:
        if wanted.records:
            found = [get(connection, int(number)) for number in wanted.records]
        else:
            assert wanted.filter is not None
            query = wanted.filter.query()._replace(pictured=True)
            found = list(islice(find(connection, query), wanted.most))
    counts = {"added": 0, "duplicate": 0, "refused": 0}
    for done, record in enumerate(found, start=1):
        try:
            kept = stored(pictures_folder(folder), record.picture) if record.picture else None
            if kept is None:
                raise RecordsError(f"the picture of record {record.id} was not kept")
            counts[_take(store, project, record, kept)] += 1
        except (EdgeAgentError, OSError) as error:
            counts["refused"] += 1
            print(f"note: record {record.id}: {error}", file=sys.stderr)  # noqa: T201
        print(json.dumps({"progress": "taking in", "done": done, "total": len(found)}), file=sys.stderr)  # noqa: T201
    store.manifests.write(project)
    return counts


def _take(store: Store, project: str, record: Found, kept: Stored) -> str:
    by = f"{record.model} {record.version}"
    with tempfile.TemporaryDirectory(dir=store.layout.root) as temporary:
        received = Path(temporary) / "picture"
        shutil.copyfile(kept.picture, received)
        added = store.pictures.add(project, f"{record.model}-{record.id}{kept.picture.suffix}", received, by="records")
    if added.state == "added":
        store.pictures.judge(project, added.id, score=record.score, anomalous=record.anomalous, by=by)
        if kept.mask is not None and record.anomalous:
            _propose(store, project, added.id, kept)
    if record.truth in ("normal", "anomaly"):
        store.pictures.say(project, [added.id], class_=record.truth, by=record.who or "records")  # type: ignore[arg-type]
    return added.state


def _propose(store: Store, project: str, picture: int, kept: Stored) -> None:
    """Keep what the model marked, in the project's labels, as a proposal."""
    areas = kept.verdict.areas[1:]
    assert kept.mask is not None
    places = add_labels(store, project, [Label(area.label, area.color) for area in areas])
    colored = read_picture(kept.mask)
    classes = np.zeros(colored.shape[:2], np.uint8)
    for area, place in zip(areas, places, strict=True):
        classes[(colored == np.array(parse_color(area.color), np.uint8)).all(axis=2)] = place
    if classes.any():
        labels = store.projects.get(project).labels
        write_file(store.pictures.proposal(project, picture), encode_mask(classes, labels))


if __name__ == "__main__":
    main()
