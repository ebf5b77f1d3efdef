"""CreateDataset, DescribeDataset, DeleteDataset, ListDatasetEntries, UpdateDatasetEntries."""

from __future__ import annotations

import json
import time
from typing import Any

from edge_agent.children.command import child_command
from edge_agent.errors import ServiceRefused, StudioError
from edge_agent.studio.aws.call import Answer, Call, conflict, invalid
from edge_agent.studio.aws.datasets import dataset, datasets_of, entries, metadata
from edge_agent.studio.aws.importing import BUCKETS, KNOWN, LINES
from edge_agent.studio.aws.models import Statuses, numbered
from edge_agent.studio.aws.paging import page
from edge_agent.studio.jobs.kinds import IMPORT
from edge_agent.studio.store.pictures import Filter
from edge_agent.studio.store.writing import write_file


def create_dataset(call: Call) -> Answer:
    """Make a dataset, empty or of a manifest in a bucket, which is read in the background."""
    type_ = call.values["DatasetType"]
    call.key()
    if type_ in {found.type for found in datasets_of(call)}:
        name = f"{call.project}/{type_}"
        raise conflict("DATASET", name, f"The {type_} dataset of project {call.project} already exists.")
    source = call.values.get("DatasetSource", {}).get("GroundTruthManifest", {}).get("S3Object")
    lines = _manifest(call, source) if source else None
    job = _begin(call, type_, lines, "CREATE") if lines is not None else 0
    now = time.time()
    call.service.state.write(
        "INSERT INTO datasets (project, type, created, updated, change, job) VALUES (?, ?, ?, ?, 'CREATE', ?)",
        call.key(), type_, now, now, job,
    )  # fmt: skip
    if job:
        call.service.nudge()
    # So soon it can't be done, even where it is: clients wait for a status that comes after this one.
    text = "The dataset is being created."
    return {"DatasetMetadata": metadata(dataset(call, type_)) | {"Status": "CREATE_IN_PROGRESS", "StatusMessage": text}}


def _manifest(call: Call, source: dict[str, Any]) -> bytes:
    if "VersionId" in source:
        raise invalid(f"VersionId {source['VersionId'][:40]!r}: objects have no versions here; leave it out")
    try:
        return call.service.buckets.read(source["Bucket"], source["Key"])
    except StudioError as error:
        raise invalid(f"the manifest s3://{source['Bucket']}/{source['Key']} can't be read: {error}") from None


def _begin(call: Call, type_: str, lines: bytes, change: str) -> int:
    """Put the taking in of lines into the list of jobs."""
    service, key = call.service, call.key()
    rows = service.state.database.rows(
        "SELECT reference, picture FROM entries WHERE project = ? AND type = ?", (key, type_)
    )
    there = set(service.store.pictures.ids(call.project, Filter()))
    title = f"{type_} dataset"
    job = service.jobs.prepare(call.project, IMPORT, title, dataset=[key, type_], change=change)
    folder = service.jobs.folder(job)
    write_file(folder / LINES, lines)
    write_file(folder / BUCKETS, json.dumps(service.configured).encode())
    known = {row["reference"]: row["picture"] for row in rows if row["picture"] in there}
    known |= {entry.reference: int(entry.position[1:]) for entry in entries(call, type_) if entry.position[0] == "b"}
    write_file(folder / KNOWN, json.dumps(known).encode())
    command = child_command("edge_agent.studio.aws.importing", str(service.store.layout.root), call.project, type_)
    service.jobs.queue(job, command)
    return job


def describe_dataset(call: Call) -> Answer:
    """Describe a dataset; all four numbers are always there."""
    call.key()
    found = dataset(call, call.values["DatasetType"])
    classes = [entry.class_ for entry in entries(call, found.type)]
    normal, anomaly = classes.count("normal"), classes.count("anomaly")
    stats = {"Total": len(classes), "Labeled": normal + anomaly, "Normal": normal, "Anomaly": anomaly}
    described = {
        **metadata(found),
        "ProjectName": call.project,
        "LastUpdatedTimestamp": found.updated,
        "ImageStats": stats,
    }
    return {"DatasetDescription": described}


def delete_dataset(call: Call) -> Answer:
    """Remove a dataset with its pictures; a model that was trained with them stays."""
    key, service = call.key(), call.service
    found = dataset(call, call.values["DatasetType"])
    _refuse_while_busy(call, found.type, found.status)
    statuses = Statuses(service)
    training = [model.number for model in numbered(service, call.project) if statuses.of(model)[0] == "TRAINING"]
    if training:
        name = f"{call.project}/{found.type}"
        raise conflict("DATASET", name, f"The {found.type} dataset is in use: model {training[0]} is TRAINING.")
    numbers = service.store.pictures.ids(call.project, Filter(part=found.type))  # type: ignore[arg-type]
    service.store.pictures.remove(call.project, numbers)
    with service.state.database.writing() as write:
        for table in ("datasets", "entries"):
            write.execute(f"DELETE FROM {table} WHERE project = ? AND type = ?", (key, found.type))  # noqa: S608
    return {}


def list_dataset_entries(call: Call) -> Answer:
    """List lines of a dataset, as they were put."""
    values = call.values
    call.key()
    found = entries(call, dataset(call, values["DatasetType"]).type)
    if "Labeled" in values:
        found = [entry for entry in found if (entry.class_ is not None) == values["Labeled"]]
    if "AnomalyClass" in values:
        found = [entry for entry in found if entry.class_ == values["AnomalyClass"]]
    if "BeforeCreationDate" in values:
        found = [entry for entry in found if entry.created < values["BeforeCreationDate"]]
    if "AfterCreationDate" in values:
        found = [entry for entry in found if entry.created > values["AfterCreationDate"]]
    if "SourceRefContains" in values:
        found = [entry for entry in found if values["SourceRefContains"] in entry.reference]
    listed, more = page(found, lambda entry: entry.position, values)
    return {"DatasetEntries": [entry.line for entry in listed], **more}


def update_dataset_entries(call: Call) -> Answer:
    """Add lines to a dataset, and put others in place of those of the same source-ref."""
    call.key()
    found = dataset(call, call.values["DatasetType"])
    if found.status == "CREATE_FAILED":
        name = f"{call.project}/{found.type}"
        raise conflict("DATASET", name, f"The {found.type} dataset is CREATE_FAILED; delete it and create it again.")
    _refuse_while_busy(call, found.type, found.status)
    lines = call.values["Changes"]
    if not lines.strip():
        raise ServiceRefused("ValidationException", "Changes has no line")
    job = _begin(call, found.type, lines, "UPDATE")
    call.service.state.write(
        "INSERT INTO datasets (project, type, created, updated, change, job) VALUES (?, ?, ?, ?, 'UPDATE', ?)"
        " ON CONFLICT (project, type) DO UPDATE SET updated = excluded.updated, change = 'UPDATE', job = excluded.job",
        call.key(), found.type, found.created, time.time(), job,
    )  # fmt: skip
    call.service.nudge()
    return {"Status": "UPDATE_IN_PROGRESS"}


def _refuse_while_busy(call: Call, type_: str, status: str) -> None:
    if status.endswith("_IN_PROGRESS"):
        name = f"{call.project}/{type_}"
        raise conflict("DATASET", name, f"The {type_} dataset of project {call.project} is {status}.")
