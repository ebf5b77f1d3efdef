"""Jobs: what they are at, what they said, what they left."""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path
from typing import Any

import msgspec

from edge_agent.errors import NotThere
from edge_agent.studio.api.call import Call, File, Operation
from edge_agent.studio.jobs.runner import cancel
from edge_agent.studio.jobs.table import Job

#: folders of a job in which there is something for people
_LEFT = ("evaluation", "package", "comparison")


class OfProject(msgspec.Struct, frozen=True):
    """The project whose jobs are wanted; "" for all."""

    project: str = ""


class Details(msgspec.Struct, frozen=True):
    """A job, the end of its log, what its command has printed, and the files that it left."""

    job: Job
    log: str
    result: Any
    files: list[str]


def _all(call: Call) -> list[Job]:
    return call.parts.jobs.all(call.query.project)


def _get(call: Call) -> Details:
    jobs = call.parts.jobs
    job = jobs.get(call.job)
    folder = jobs.folder(call.job)
    # Not rglob: what a job that runs removes meanwhile would be an error.
    left = sorted(
        Path(where, name).relative_to(folder).as_posix()
        for part in _LEFT
        for where, _, names in os.walk(folder / part)
        for name in names
    )
    return Details(job, jobs.log(call.job), jobs.result(call.job), left)


def _cancel(call: Call) -> Job:
    cancel(call.parts.jobs, call.job)
    return call.parts.jobs.get(call.job)


def _file(call: Call) -> File:
    folder = call.parts.jobs.folder(call.job).resolve()
    path = (folder / call.path["file"]).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise NotThere(f"job {call.job} has left no file '{call.path['file'][:200]}'")
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return File(path, media_type, is_page=media_type == "text/html")


OPERATIONS = (
    Operation("ListJobs", "GET", "/jobs", "viewer", "List the jobs, the newest first.", _all, query=OfProject,
              answer=list[Job]),
    Operation("GetJob", "GET", "/jobs/{job:int}", "viewer", "Describe a job.", _get, answer=Details),
    Operation("CancelJob", "POST", "/jobs/{job:int}/cancel", "engineer", "End a job.", _cancel, answer=Job),
    Operation("GetJobFile", "GET", "/jobs/{job:int}/files/{file:path}", "viewer", "Give a file that a job has left.",
              _file, answer=File),
)  # fmt: skip
