"""What an operation of the service's API gets, and what it works with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from edge_agent.errors import NotThere, ServiceRefused, StudioError
from edge_agent.studio.aws.detectors import Detectors
from edge_agent.studio.aws.state import State, project_key
from edge_agent.studio.device import Device
from edge_agent.studio.jobs.table import Job, Jobs
from edge_agent.studio.store.store import Store

Answer = dict[str, Any]
_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"


class Objects(Protocol):
    """Where buckets' objects come from and go to; errors are StudioErrors that name bucket and key."""

    def read(self, bucket: str, key: str) -> bytes: ...

    def open(self, bucket: str, key: str, folder: Path) -> Path: ...

    def write(self, bucket: str, key: str, data: bytes, media_type: str = "application/json") -> None: ...

    def list(self, bucket: str, prefix: str) -> list[str]: ...

    def check(self, bucket: str) -> None: ...


class Service(NamedTuple):
    """What the operations work with."""

    store: Store
    jobs: Jobs
    device: Device
    buckets: Objects
    state: State
    detectors: Detectors
    #: tells the runner that a job was added
    nudge: Callable[[], None]
    #: the table [buckets], for processes of jobs
    configured: dict[str, str]

    def job(self, number: int) -> Job | None:
        """Give a job; None for 0, and for one that the studio does not know any more: what it made is there."""
        with contextlib.suppress(NotThere):
            return self.jobs.get(number) if number else None
        return None


class Call(NamedTuple):
    """One request: its values as the table names them, and the region in which its client believes it is."""

    service: Service
    values: dict[str, Any]
    region: str = DEFAULT_REGION

    @property
    def project(self) -> str:
        """The project that the request names."""
        return str(self.values["ProjectName"])

    def key(self) -> str:
        """The project's key in the state; ServiceRefused when there is none of that name."""
        try:
            return project_key(self.service.store, self.project)
        except NotThere:
            raise not_found("PROJECT", self.project, f"Project {self.project} does not exist.") from None

    def project_arn(self, project: str) -> str:
        """Write a project's ARN."""
        return f"arn:aws:lookoutvision:{self.region}:{_ACCOUNT}:project/{project}"

    def model_arn(self, number: int) -> str:
        """Write the ARN of a model of the project."""
        return f"arn:aws:lookoutvision:{self.region}:{_ACCOUNT}:model/{self.project}/{number}"


def not_found(kind: str, name: str, text: str) -> ServiceRefused:
    """Make the error of what is not there."""
    return ServiceRefused("ResourceNotFoundException", text, ResourceId=name, ResourceType=kind)


def conflict(kind: str, name: str, text: str) -> ServiceRefused:
    """Make the error of what can't be done now."""
    return ServiceRefused("ConflictException", text, ResourceId=name, ResourceType=kind)


def quota(kind: str, name: str, text: str) -> ServiceRefused:
    """Make the error of what would be too much."""
    return ServiceRefused(
        "ServiceQuotaExceededException",
        text,
        ResourceId=name,
        ResourceType=kind,
        QuotaCode="edge-agent",
        ServiceCode="lookoutvision",
    )


def check_bucket(call: Call, bucket: str) -> None:
    """Raise ServiceRefused where results could not be written: that is said before a training, and not after it."""
    try:
        call.service.buckets.check(bucket)
    except StudioError as error:
        raise invalid(f"bucket {bucket} for the results: {error}") from None


def invalid(text: str) -> ServiceRefused:
    """Make the error of a value that is refused."""
    return ServiceRefused("ValidationException", text)
