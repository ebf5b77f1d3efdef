"""Records of packaging jobs, in the words of the cloud service's DescribeModelPackagingJob."""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge_agent.errors import PackagingError

JobStatus = Literal["RUNNING", "SUCCEEDED", "FAILED"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,127}")


class Job(msgspec.Struct, kw_only=True, rename="pascal"):
    """One packaging of a model; the keys that the cloud service had are called as there."""

    job_name: str
    project_name: str
    model_version: str
    model_packaging_job_description: str = ""
    model_packaging_method: str = "edge-agent package"
    model_packaging_configuration: dict[str, Any]
    model_packaging_output_details: dict[str, Any] = {}
    status: JobStatus = "RUNNING"
    status_message: str = ""
    creation_timestamp: datetime.datetime
    last_updated_timestamp: datetime.datetime
    #: of the process that runs it: a job whose process is gone has failed, whatever its record says
    process_id: int


def default_jobs_dir() -> Path:
    """Return the folder of the records: $XDG_STATE_HOME/edge-agent/packaging-jobs."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "edge-agent" / "packaging-jobs"


def now() -> datetime.datetime:
    """Return the time as records hold it."""
    return datetime.datetime.now(datetime.timezone.utc)


class JobRecords:
    """The jobs in a folder, a file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new_name(self, wanted: str | None, stem: str) -> str:
        """Return the name of a job that is not there yet.

        Raises:
            PackagingError: `wanted` can't be one, or is there.
        """
        if wanted is not None:
            if not _NAME.fullmatch(wanted):
                raise PackagingError(
                    f"'{wanted[:140]}' can't be the name of a job, expected up to 128 letters, digits and '-'"
                )
            if self._path(wanted).exists():
                raise PackagingError(f"job '{wanted}' exists already")
            return wanted
        stamp = f"{stem[:100]}-{now():%Y%m%d-%H%M%S}"
        names = (stamp, *(f"{stamp}-{number}" for number in range(2, 1000)))
        return next(name for name in names if not self._path(name).exists())

    def save(self, job: Job) -> None:
        """Write a record as a whole."""
        self._folder.mkdir(parents=True, exist_ok=True)
        job.last_updated_timestamp = now()
        temporary = self._path(job.job_name).with_suffix(f".{os.getpid()}")
        with temporary.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(job), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path(job.job_name))

    def read(self, name: str) -> Job:
        """Return one job.

        Raises:
            PackagingError: there is no such job, or its record can't be read.
        """
        try:
            if not _NAME.fullmatch(name):
                raise FileNotFoundError
            job = msgspec.json.decode(self._path(name).read_bytes(), type=Job)
            _check_configuration(job)
        except FileNotFoundError:
            raise PackagingError(f"there is no packaging job '{name}' in {self._folder}") from None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PackagingError(f"the record {self._path(name)} can't be read: {error}") from None
        if job.status == "RUNNING" and not _is_alive(job.process_id):
            job.status, job.status_message = "FAILED", "it was interrupted"
        return job

    def read_all(self) -> tuple[list[Job], list[str]]:
        """Return all jobs, the newest first, and what is wrong with records that can't be read."""
        jobs, problems = [], []
        for path in sorted(self._folder.glob("*.json")):
            try:
                jobs.append(self.read(path.stem))
            except PackagingError as error:
                problems.append(str(error))
        return sorted(jobs, key=lambda job: (job.creation_timestamp, job.job_name), reverse=True), problems

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _check_configuration(job: Job) -> None:
    chosen = job.model_packaging_configuration.get("Greengrass")
    needed = ("ComponentName", "ComponentVersion", "CompilerOptions", "Tags")
    if not isinstance(chosen, dict) or not all(key in chosen for key in needed):
        raise msgspec.ValidationError(f"ModelPackagingConfiguration.Greengrass has to have {', '.join(needed)}")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # there, and somebody else's
        return True
    return True


def describe_job(job: Job) -> dict[str, Any]:
    """Return what DescribeModelPackagingJob returned."""
    described: dict[str, Any] = msgspec.to_builtins(job)
    del described["ProcessId"]
    return {"ModelPackagingDescription": described}


def list_jobs(jobs: list[Job]) -> dict[str, Any]:
    """Return what ListModelPackagingJobs returned."""
    left_out = ("ModelPackagingConfiguration", "ModelPackagingOutputDetails")
    described = [describe_job(job)["ModelPackagingDescription"] for job in jobs]
    return {"ModelPackagingJobs": [{k: v for k, v in job.items() if k not in left_out} for job in described]}
