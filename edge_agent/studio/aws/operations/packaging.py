"""StartModelPackagingJob, DescribeModelPackagingJob, ListModelPackagingJobs."""

from __future__ import annotations

import json
import secrets
from typing import Any

from edge_agent.children.command import child_command
from edge_agent.studio.aws.call import Answer, Call, check_bucket, conflict, invalid, not_found
from edge_agent.studio.aws.models import Statuses, find
from edge_agent.studio.aws.paging import page
from edge_agent.studio.jobs.kinds import PACKAGE

_STATUS = {"waiting": "CREATED", "running": "RUNNING", "done": "SUCCEEDED"}
_LONGEST_JOB = 64
_PACKAGED = ("TRAINED", "STARTING_HOSTING", "HOSTED", "HOSTING_FAILED", "STOPPING_HOSTING")


def start_model_packaging_job(call: Call) -> Answer:
    """Put the packaging of a model into the list of jobs, as `edge-agent package` does it."""
    values, service = call.values, call.service
    model = find(call)
    status, _ = Statuses(service).of(model)
    if status not in _PACKAGED:
        name = f"{call.project}/{model.number}"
        raise conflict("MODEL", name, f"Model {model.number} of project {call.project} is {status}; expected TRAINED.")
    name = values.get("JobName") or _own_name(call.project, model.number)
    if _row(call, name) is not None:
        raise conflict("MODEL_PACKAGE_JOB", name, f"Model packaging job {name} already exists.")
    chosen = values["Configuration"]["Greengrass"]
    check_bucket(call, chosen["S3OutputLocation"]["Bucket"])
    options = _options(chosen)
    asked = {
        "Configuration": values["Configuration"], "Description": values.get("Description", ""), "region": call.region,
        "version": _version(model.version, chosen),
    }  # fmt: skip
    job = service.jobs.prepare(call.project, PACKAGE, f"{call.project} {model.version}", version=model.version)
    folder = service.jobs.folder(job)
    location = chosen["S3OutputLocation"]
    place = f"s3://{location['Bucket']}/{location.get('Prefix', '').strip('/')}".rstrip("/")
    source = service.store.models.folder(call.project, model.version)
    command = [*child_command("edge_agent.cli"), "package", str(source),
               "--location", place, "-o", str(folder / "package"), "--jobs-dir", str(folder / "records"), "--json",
               *options]  # fmt: skip
    command += ["--component-version", asked["version"]]
    service.state.write(
        "INSERT INTO packagings (project, name, number, job, asked) VALUES (?, ?, ?, ?, ?)",
        call.project, name, model.number, job, json.dumps(asked),
    )  # fmt: skip
    service.jobs.queue(job, command)
    service.nudge()
    return {"JobName": name}


def _own_name(project: str, number: int) -> str:
    """Make up a name for a job; the part that no other has must not be cut off."""
    end = f"-{number}-{secrets.token_hex(4)}"
    return project.replace("_", "-")[: _LONGEST_JOB - len(end)] + end


def _options(chosen: dict[str, Any]) -> list[str]:
    device, platform = chosen.get("TargetDevice"), chosen.get("TargetPlatform")
    if (device is None) == (platform is None):
        raise invalid("Configuration.Greengrass names a TargetDevice or a TargetPlatform, and not both")
    if platform:
        parts = [platform[name] for name in ("Os", "Arch", "Accelerator") if name in platform]
        options = ["--target-platform", "/".join(parts)]
        options += ["--compiler-options", chosen["CompilerOptions"]] if "CompilerOptions" in chosen else []
    else:
        assert device is not None
        if "CompilerOptions" in chosen:
            raise invalid("CompilerOptions go with a TargetPlatform; those of a TargetDevice are known")
        options = ["--target-device", device]
    options += ["--component-name", chosen["ComponentName"]]
    options += ["--component-description", chosen["ComponentDescription"]] if "ComponentDescription" in chosen else []
    for tag in chosen.get("Tags", []):
        options += ["--tag", f"{tag['Key']}={tag['Value']}"]
    return options


def _version(model: str, chosen: dict[str, Any]) -> str:
    return str(chosen.get("ComponentVersion") or model)


def describe_model_packaging_job(call: Call) -> Answer:
    """Describe a packaging job."""
    call.key()
    name = call.values["JobName"]
    row = _row(call, name)
    if row is None:
        raise not_found("MODEL_PACKAGE_JOB", name, f"Model packaging job {name} does not exist.")
    asked = json.loads(row["asked"])
    described = _metadata(call, row) | {"ModelPackagingConfiguration": asked["Configuration"]}
    if described["Status"] == "SUCCEEDED":
        component = asked["Configuration"]["Greengrass"]["ComponentName"]
        described["ModelPackagingOutputDetails"] = {
            "Greengrass": {
                "ComponentVersionArn": f"arn:aws:greengrass:{asked['region']}:aws:components:{component}",
                "ComponentName": component,
                "ComponentVersion": asked["version"],
            }
        }
    return {"ModelPackagingDescription": described}


def list_model_packaging_jobs(call: Call) -> Answer:
    """List the packaging jobs of a project."""
    call.key()
    rows = call.service.state.database.rows("SELECT * FROM packagings WHERE project = ? ORDER BY job", (call.project,))
    found, more = page(rows, lambda row: f"{row['job']:012d}", call.values)
    return {"ModelPackagingJobs": [_metadata(call, row) for row in found], **more}


def _row(call: Call, name: str) -> Any:
    query = "SELECT * FROM packagings WHERE project = ? AND name = ?"
    return call.service.state.database.row(query, (call.project, name))


def _metadata(call: Call, row: Any) -> Answer:
    job = call.service.jobs.get(row["job"])
    status = _STATUS.get(job.state, "FAILED")
    written = {
        "JobName": row["name"],
        "ProjectName": row["project"],
        "ModelVersion": str(row["number"]),
        "ModelPackagingMethod": "Greengrass",
        "Status": status,
        "StatusMessage": job.problem or f"The model packaging job is {status}.",
        "CreationTimestamp": job.created,
        "LastUpdatedTimestamp": job.ended or job.started or job.created,
    }
    description = json.loads(row["asked"])["Description"]
    return written | ({"ModelPackagingJobDescription": description} if description else {})
