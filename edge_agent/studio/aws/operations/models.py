"""CreateModel, DescribeModel, ListModels, DeleteModel."""

from __future__ import annotations

import json
import time

from edge_agent.children.command import child_command
from edge_agent.errors import StudioError
from edge_agent.studio.aws.call import Answer, Call, check_bucket, conflict, invalid
from edge_agent.studio.aws.datasets import dataset
from edge_agent.studio.aws.hosting import withdraw
from edge_agent.studio.aws.models import Statuses, find, metadata, numbered
from edge_agent.studio.aws.operations.tags import check_tags, put_tags
from edge_agent.studio.aws.paging import page
from edge_agent.studio.jobs import kinds
from edge_agent.studio.store.models import Models

_DELETABLE = ("TRAINED", "TRAINING_FAILED", "HOSTING_FAILED")


def create_model(call: Call) -> Answer:
    """Put a training into the list of jobs; the model is there from now on, as TRAINING."""
    key, service, values = call.key(), call.service, call.values
    for type_ in ("train", "test"):
        try:
            found = dataset(call, type_)
        except StudioError:
            if type_ == "train":
                raise
            continue
        if found.status.endswith("IN_PROGRESS"):
            name = f"{call.project}/{type_}"
            raise conflict("DATASET", name, f"The {type_} dataset of project {call.project} is {found.status}.")
    location = values["OutputConfig"]["S3Location"]
    check_bucket(call, location["Bucket"])
    check_tags(call.project, values.get("Tags", []))
    known = numbered(service, call.project)
    highest = service.state.database.value("SELECT max(number) FROM models WHERE project = ?", (call.project,)) or 0
    number = highest + 1
    version = _version(service.store.models, call.project, number, [model.version for model in known])
    around = child_command("edge_agent.studio.aws.training")
    options = kinds.TrainOptions(version=version, description=values.get("Description", ""))
    try:
        job = kinds.train(service.store, service.jobs, call.project, options, around)
    except StudioError as error:
        raise invalid(str(error)) from None
    details: Answer = {
        "OutputConfig": {"S3Location": {"Bucket": location["Bucket"], "Prefix": location.get("Prefix", "")}},
        **{name: values[name] for name in ("Description", "KmsKeyId") if name in values},
        "region": call.region,
        "dataset": key,
    }
    service.state.write(
        "INSERT INTO models (project, number, version, job, created, details) VALUES (?, ?, ?, ?, ?, ?)",
        call.project, number, version, job, time.time(), json.dumps(details),
    )  # fmt: skip
    put_tags(call, f"model/{call.project}/{number}", values.get("Tags", []))
    service.nudge()
    return {"ModelMetadata": metadata(call, find(call, str(number)), Statuses(service))}


def _version(models: Models, project: str, number: int, taken: list[str]) -> str:
    version = f"{number}.0.0"
    return (
        version if version not in {*taken, *(m.version for m in models.all(project))} else models.next_version(project)
    )


def describe_model(call: Call) -> Answer:
    """Describe a model."""
    model = find(call)
    described = metadata(call, model, Statuses(call.service))
    for name in ("OutputConfig", "KmsKeyId", "EvaluationManifest", "EvaluationResult"):
        if name in model.details:
            described[name] = model.details[name]
    if described["Status"] not in ("TRAINING", "TRAINING_FAILED"):
        built = model.made.built if model.made else model.created
        described["EvaluationEndTimestamp"] = model.details.get("ended", built)
        # One that was built on the page was told no bucket; clients read this without looking.
        described.setdefault("OutputConfig", {"S3Location": {"Bucket": "none", "Prefix": ""}})
    described |= model.units
    return {"ModelDescription": described}


def list_models(call: Call) -> Answer:
    """List a project's models by their numbers."""
    call.key()
    statuses = Statuses(call.service)
    models = numbered(call.service, call.project)
    found, more = page(models, lambda model: f"{model.number:010d}", call.values)
    return {"Models": [metadata(call, model, statuses) for model in found], **more}


def delete_model(call: Call) -> Answer:
    """Remove a model that is neither trained nor hosted just now."""
    model, service = find(call), call.service
    status, _ = Statuses(service).of(model)
    if status not in _DELETABLE:
        name = f"{call.project}/{model.number}"
        raise conflict("MODEL", name, f"Model {model.number} of project {call.project} is {status}; expected TRAINED.")
    withdraw(service, model)
    if model.made is not None:
        service.store.models.remove(call.project, model.version)
    with service.state.database.writing() as write:
        write.execute("UPDATE models SET deleted = 1 WHERE project = ? AND number = ?", (call.project, model.number))
        write.execute("DELETE FROM tags WHERE resource = ?", (f"model/{call.project}/{model.number}",))
    return {"ModelArn": call.model_arn(model.number)}
