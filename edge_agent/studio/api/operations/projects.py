"""Projects and their labels."""

from __future__ import annotations

import msgspec

from edge_agent.errors import Conflict
from edge_agent.studio.api.call import Call, Operation
from edge_agent.studio.jobs import kinds
from edge_agent.studio.store.projects import Label, Project


class NewProject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A project to be made; its model's component gets the same name."""

    name: str
    description: str = ""


class ChangedProject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be changed of a project; what is left out stays."""

    description: str | None = None
    labels: list[Label] | None = None


class Started(msgspec.Struct, frozen=True):
    """The number of a job that waits for its turn."""

    job: int


def _all(call: Call) -> list[Project]:
    return call.parts.store.projects.all()


def _create(call: Call) -> Project:
    return call.parts.store.projects.create(call.body.name, call.body.description)


def _get(call: Call) -> Project:
    return call.parts.store.projects.get(call.project)


def _change(call: Call) -> Project:
    return call.parts.store.projects.change(call.project, description=call.body.description, labels=call.body.labels)


def _remove(call: Call) -> None:
    jobs = [job for job in call.parts.jobs.all(call.project) if job.state in ("waiting", "running")]
    if jobs:
        raise Conflict(f"project '{call.project}' has a job that has not ended: {jobs[0].kind} {jobs[0].title}")
    call.parts.store.projects.remove(call.project)


def _demo(call: Call) -> Started:
    store = call.parts.store
    store.projects.create(call.body.name, call.body.description)
    number = kinds.demo(store, call.parts.jobs, call.body.name)
    call.parts.nudge()
    return Started(number)


_ONE = "/projects/{project}"
OPERATIONS = (
    Operation("ListProjects", "GET", "/projects", "viewer", "List the projects, the newest first.", _all,
              answer=list[Project]),
    Operation("CreateProject", "POST", "/projects", "engineer", "Make an empty project.", _create,
              body=NewProject, answer=Project),
    Operation("GetProject", "GET", _ONE, "viewer", "Describe a project.", _get, answer=Project),
    Operation("ChangeProject", "PATCH", _ONE, "operator", "Change description or labels.", _change,
              body=ChangedProject, answer=Project),
    Operation("RemoveProject", "DELETE", _ONE, "engineer", "Remove a project and its pictures; its models stay.",
              _remove),
    Operation("CreateDemo", "POST", "/demo", "engineer", "Make a project of drawn pictures of a steel flange.", _demo,
              body=NewProject, answer=Started),
)  # fmt: skip
