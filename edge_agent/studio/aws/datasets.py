"""Datasets as the service has them, over parts of a project: the studio's pictures, lines as they were sent."""

from __future__ import annotations

import json
import time
from typing import Any, NamedTuple

from edge_agent.building.datasets.manifests.attributes import attributes
from edge_agent.building.datasets.manifests.labels import read_label
from edge_agent.building.datasets.names import Names
from edge_agent.building.datasets.reasons import Place
from edge_agent.studio.aws.call import Answer, Call, not_found
from edge_agent.studio.store.pictures import Filter, Picture

TYPES = ("train", "test")


class DatasetState(NamedTuple):
    """A dataset: how its making or last change stands, with times in seconds since 1970."""

    type: str
    created: float
    updated: float
    status: str
    message: str


class Entry(NamedTuple):
    """A line of a dataset; its picture is None when that was removed."""

    position: str
    reference: str
    line: str
    class_: str | None
    created: float


def datasets_of(call: Call) -> list[DatasetState]:
    """List the datasets of a project: those that were made by a call, and parts that got pictures on the page."""
    key, service = call.key(), call.service
    rows = {row["type"]: row for row in service.state.database.rows("SELECT * FROM datasets WHERE project = ?", (key,))}
    found = []
    for type_ in TYPES:
        row = rows.get(type_)
        if row is not None:
            found.append(_state(call, row))
            continue
        pictures = service.store.pictures.page(call.project, Filter(part=type_, order="newest"), 0, 1)  # type: ignore[arg-type]
        if pictures.total:
            project = service.store.projects.get(call.project)
            updated = pictures.pictures[0].added
            text = "The dataset was created on the page of the studio."
            found.append(DatasetState(type_, project.created, updated, "CREATE_COMPLETE", text))
    return found


def dataset(call: Call, type_: str) -> DatasetState:
    """Give a dataset; ServiceRefused when there is none."""
    for found in datasets_of(call):
        if found.type == type_:
            return found
    name = f"{call.project}/{type_}"
    raise not_found("DATASET", name, f"The {type_} dataset of project {call.project} does not exist.")


def metadata(found: DatasetState) -> Answer:
    """Write what lists of datasets have."""
    return {
        "DatasetType": found.type,
        "CreationTimestamp": found.created,
        "Status": found.status,
        "StatusMessage": found.message,
    }


def _state(call: Call, row: Any) -> DatasetState:
    change, type_ = row["change"], row["type"]
    done = {"CREATE": "created", "UPDATE": "updated"}[change]
    status, message, updated = f"{change}_COMPLETE", f"The dataset was successfully {done}.", row["updated"]
    job = call.service.job(row["job"])
    if job is not None:
        if job.state in ("waiting", "running"):
            status, message = f"{change}_IN_PROGRESS", f"The dataset is being {done}."
        elif job.state != "done":
            status = "CREATE_FAILED" if change == "CREATE" else "UPDATE_FAILED_ROLLBACK_COMPLETE"
            message = job.problem or f"The job was {job.state}."
        updated = job.ended or updated
    return DatasetState(type_, row["created"], updated, status, message)


def entries(call: Call, type_: str) -> list[Entry]:
    """List a dataset's lines in the order in which they came, those of pictures from the page behind the others."""
    service = call.service
    wanted = Filter(part=type_)  # type: ignore[arg-type]
    pictures = {
        number: service.store.pictures.get(call.project, number)
        for number in service.store.pictures.ids(call.project, wanted)
    }
    rows = service.state.database.rows(
        "SELECT * FROM entries WHERE project = ? AND type = ? ORDER BY id", (call.key(), type_)
    )
    found, seen = [], set()
    for row in rows:
        seen.add(row["picture"])
        picture = pictures.get(row["picture"])
        if picture is None:  # removed on the page, or moved to the other part
            continue
        position = f"a{row['id']:012d}"
        line = _current(row["line"], picture)
        found.append(Entry(position, row["reference"], line, picture.class_, row["created"]))
    for number, picture in sorted(pictures.items()):
        if number not in seen:
            reference = str(service.store.pictures.path(call.project, number))
            line = json.dumps({"source-ref": reference, **_label(picture.class_, picture.changed or picture.added)})
            found.append(Entry(f"b{number:012d}", reference, line, picture.class_, picture.added))
    return found


def class_of(content: dict[str, Any]) -> str | None:
    """Say which class a line gives: by its name, never by its number, which different tools count differently."""
    return read_label(attributes(content), Names(), (), Place()).label


def _current(line: str, picture: Picture) -> str:
    """Give a line as it was sent, unless somebody has said something else on the page since."""
    content = json.loads(line)
    if class_of(content) == picture.class_:
        return line
    known = [found.key for found in attributes(content) if found.kind == "class"]
    name = known[0] if known else "anomaly-label"
    kept = {key: value for key, value in content.items() if not any(key.startswith(other) for other in known)}
    return json.dumps({**kept, **_label(picture.class_, picture.changed, name)})


def _label(class_: str | None, changed: float, name: str = "anomaly-label") -> dict[str, Any]:
    if class_ is None:
        return {}
    date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(changed)) + ".000000"
    return {
        name: int(class_ == "anomaly"),
        f"{name}-metadata": {
            "class-name": class_,
            "confidence": 1.0,
            "creation-date": date,
            "human-annotated": "yes",
            "job-name": f"labeling-job/{name}",
            "type": "groundtruth/image-classification",
        },
    }
