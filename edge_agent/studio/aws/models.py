"""Models by their numbers over the studio's versions: 1, 2, … in the order in which they were made, wherever."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from edge_agent.component.version import parse_version
from edge_agent.errors import AgentUnreachable, CallFailed
from edge_agent.studio.aws.call import Answer, Call, Service, not_found
from edge_agent.studio.store.layout import LONGEST_COMPONENT, shortened
from edge_agent.studio.store.models import Model

#: what is asked of the agent for a model, as `hosting` of the state says it
STARTING, STARTED, STOPPING = "starting", "started", "stopping"
#: statuses of the agent for one that was started here
_HOSTED = {
    "STARTING": "STARTING_HOSTING",
    "RUNNING": "HOSTED",
    "FAILED": "HOSTING_FAILED",
    "STOPPING": "STOPPING_HOSTING",
    "STOPPED": "TRAINED",
}
_MESSAGES = {
    "TRAINING": "The model is being trained.",
    "TRAINED": "Training completed successfully.",
    "STARTING_HOSTING": "The model is being started.",
    "HOSTED": "The model is running.",
    "STOPPING_HOSTING": "The model is being stopped.",
}


#: of a model's number, as the service has them
_DIGITS = 10
_VERSIONS = "SELECT version FROM models WHERE project = ? AND NOT deleted"


class Numbered(NamedTuple):
    """A model; `made` is None as long as it is trained, and when that failed."""

    project: str
    number: int
    version: str
    job: int
    created: float
    details: dict[str, Any]
    hosting: str
    hosting_token: str
    hosting_problem: str
    units: dict[str, int]
    made: Model | None

    @property
    def component(self) -> str:
        """What the agent calls it."""
        return component_name(self.project, self.number)


def component_name(project: str, number: int | str) -> str:
    """Say what the agent calls a model: no project has a '.' in its name, so that no other component is called so."""
    return f"{shortened(project, LONGEST_COMPONENT - _DIGITS - 1)}.{number}"


def numbered(service: Service, project: str) -> list[Numbered]:
    """List a project's models by their numbers; those that were built on the page get theirs now."""
    made = {model.version: model for model in service.store.models.all(project)}
    database = service.state.database
    known = {row["version"] for row in database.rows(_VERSIONS, (project,))}
    if set(made) - known:
        with database.writing() as write:
            known = {row["version"] for row in write.execute(_VERSIONS, (project,))}
            for version in sorted(set(made) - known, key=parse_version):
                write.execute(
                    "INSERT INTO models (project, number, version, created)"
                    " SELECT ?, coalesce(max(number), 0) + 1, ?, ? FROM models WHERE project = ?",
                    (project, version, made[version].built, project),
                )
    rows = database.rows("SELECT * FROM models WHERE project = ? AND NOT deleted ORDER BY number", (project,))
    found = [_numbered(row, made.get(row["version"])) for row in rows]
    # One that was removed on the page is gone here too.
    return [model for model in found if model.made is not None or _unfinished(service, model)]


def _numbered(row: Any, made: Model | None) -> Numbered:
    return Numbered(
        row["project"], row["number"], row["version"], row["job"], row["created"], json.loads(row["details"]),
        row["hosting"], row["hosting_token"], row["hosting_problem"], json.loads(row["units"]), made,
    )  # fmt: skip


def _unfinished(service: Service, model: Numbered) -> bool:
    job = service.job(model.job)
    return job is not None and job.state != "done"


def find(call: Call, version: str = "") -> Numbered:
    """Give the model that a request names; ServiceRefused when there is none, or no project."""
    call.key()
    wanted = version or str(call.values["ModelVersion"])
    models = numbered(call.service, call.project)
    for model in models:
        if wanted == str(model.number) or (wanted == "latest" and model is models[-1]):
            return model
    name = f"{call.project}/{wanted}"
    raise not_found("MODEL", name, f"Model {wanted} of project {call.project} does not exist.")


class Statuses:
    """The statuses of models; the agent is asked once for all of them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._agent: dict[str, tuple[str, str]] | None = None
        self._problem = ""

    def of(self, model: Numbered) -> tuple[str, str]:
        """Give a model's status and its sentence."""
        job = self._service.job(model.job)
        if job is not None:
            if job.state in ("waiting", "running"):
                return "TRAINING", _MESSAGES["TRAINING"]
            if job.state != "done":
                return "TRAINING_FAILED", job.problem or f"The training was {job.state}."
        return self._hosting(model)

    def _hosting(self, model: Numbered) -> tuple[str, str]:
        if model.hosting_problem:
            return "HOSTING_FAILED", model.hosting_problem
        if model.hosting != STARTED:
            status = {STARTING: "STARTING_HOSTING", STOPPING: "STOPPING_HOSTING"}.get(model.hosting, "TRAINED")
            return status, _MESSAGES[status]
        agent = self._models()
        if agent is None:
            return "HOSTING_FAILED", self._problem
        status, message = agent.get(model.component, ("STOPPED", ""))
        status = _HOSTED.get(status, "HOSTING_FAILED")
        return status, message or _MESSAGES.get(status, "")

    def _models(self) -> dict[str, tuple[str, str]] | None:
        if self._agent is None and not self._problem:
            from edge_agent.client.client import Client

            try:
                with Client(self._service.device.socket, timeout=10.0) as client:
                    self._agent = {found.name: (found.status, found.message) for found in client.models()}
            except (AgentUnreachable, CallFailed) as error:
                self._problem = str(error)
        return self._agent


class Units(NamedTuple):
    """How many workers a hosted model was to have, at least and at most, and has."""

    project: str
    number: int
    least: int
    most: int | None
    in_service: int


def hosted_units(service: Service) -> list[Units]:
    """List the models that are hosted, or about to be, with their inference units."""
    statuses = Statuses(service)
    rows = service.state.database.rows("SELECT * FROM models WHERE units != '{}' AND NOT deleted")
    found = []
    for model in (_numbered(row, None) for row in rows):
        least = model.units["MinInferenceUnits"]
        # The agent serves a model with all of its workers or not at all.
        in_service = least if statuses.of(model)[0] == "HOSTED" else 0
        found.append(Units(model.project, model.number, least, model.units.get("MaxInferenceUnits"), in_service))
    return found


def metadata(call: Call, model: Numbered, statuses: Statuses) -> Answer:
    """Write what lists of models have."""
    status, message = statuses.of(model)
    written = {
        "CreationTimestamp": model.created,
        "ModelVersion": str(model.number),
        "ModelArn": call.model_arn(model.number),
        "Status": status,
        "StatusMessage": message,
    }
    if model.details.get("Description"):
        written["Description"] = model.details["Description"]
    if status not in ("TRAINING", "TRAINING_FAILED"):
        written["Performance"] = performance(model)
    return written


def performance(model: Numbered) -> dict[str, float]:
    """Give the figures that were measured on pictures that the model had not seen."""
    if found := model.details.get("performance"):
        return dict(found)
    figures = model.made.figures if model.made else {}
    best = figures.get("test") or figures.get("out_of_fold") or {}
    names = {"F1Score": "f1", "Recall": "recall", "Precision": "precision"}
    return {name: float(best.get(key) or 0.0) for name, key in names.items()}
