"""CreateProject, DescribeProject, ListProjects, DeleteProject."""

from __future__ import annotations

from edge_agent.errors import Conflict, StudioError
from edge_agent.studio.aws.call import Answer, Call, conflict, invalid, not_found, quota
from edge_agent.studio.aws.datasets import datasets_of, metadata
from edge_agent.studio.aws.models import numbered
from edge_agent.studio.aws.paging import page
from edge_agent.studio.aws.table.scalars import SCALARS
from edge_agent.studio.aws.validation import compiled
from edge_agent.studio.store.projects import Project

#: the service's own: 100 projects of an account; here it only keeps a script that goes wrong from filling the disk
MOST_PROJECTS = 1000


def create_project(call: Call) -> Answer:
    """Make a project, the same as on the page."""
    store = call.service.store
    if len(store.projects.all()) >= MOST_PROJECTS:
        raise quota("PROJECT", call.project, f"there are {MOST_PROJECTS} projects, which is the most")
    try:
        project = store.projects.create(call.project)
    except Conflict:
        raise conflict("PROJECT", call.project, f"Project {call.project} already exists.") from None
    except StudioError as error:
        raise invalid(str(error)) from None
    return {"ProjectMetadata": _metadata(call, project)}


def describe_project(call: Call) -> Answer:
    """Describe a project and its datasets."""
    call.key()
    project = call.service.store.projects.get(call.project)
    found = [metadata(dataset) for dataset in datasets_of(call)]
    return {"ProjectDescription": {**_metadata(call, project), "Datasets": found}}


def list_projects(call: Call) -> Answer:
    """List the projects whose names the service could have had, by name."""
    pattern = compiled(SCALARS["ProjectName"].pattern)
    projects = [project for project in call.service.store.projects.all() if pattern.fullmatch(project.name)]
    found, more = page(sorted(projects, key=lambda p: p.name), lambda p: p.name, call.values)
    return {"Projects": [_metadata(call, project) for project in found], **more}


def delete_project(call: Call) -> Answer:
    """Remove a project without models, and its pictures."""
    key, service = call.key(), call.service
    left = [model.number for model in numbered(service, call.project)]
    if left:
        raise conflict(
            "PROJECT", call.project, f"Project {call.project} has models {left}; delete them before the project."
        )
    busy = [job for job in service.jobs.all(call.project) if job.state in ("waiting", "running")]
    if busy:
        raise conflict("PROJECT", call.project, f"Project {call.project} has a job that has not ended: {busy[0].kind}.")
    service.store.projects.remove(call.project)
    with service.state.database.writing() as write:
        write.execute("DELETE FROM datasets WHERE project = ?", (key,))
        write.execute("DELETE FROM entries WHERE project = ?", (key,))
        write.execute("DELETE FROM packagings WHERE project = ?", (call.project,))
        write.execute("DELETE FROM models WHERE project = ?", (call.project,))
        write.execute(
            "DELETE FROM tags WHERE resource = ? OR resource LIKE ? || '/%'",
            (f"project/{call.project}", f"model/{call.project}"),
        )
    return {"ProjectArn": call.project_arn(call.project)}


def check_project(call: Call, name: str) -> None:
    """Raise ServiceRefused when there is no such project."""
    if name not in {project.name for project in call.service.store.projects.all()}:
        raise not_found("PROJECT", name, f"Project {name} does not exist.")


def _metadata(call: Call, project: Project) -> Answer:
    return {
        "ProjectArn": call.project_arn(project.name),
        "ProjectName": project.name,
        "CreationTimestamp": project.created,
    }
