"""What becomes of a job that the service's API has begun, when it is done: results go to their buckets."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

from edge_agent.errors import StudioError
from edge_agent.studio.aws.call import Service
from edge_agent.studio.jobs.kinds import EVALUATION_FOLDER, IMPORT, PACKAGE, TRAINING

log = logging.getLogger(__name__)

#: in a job's folder, once its results are where the service's API has them
TAKEN = "taken"
_METRICS = {"F1Score": "F1Score", "Recall": "Recall", "Precision": "Precision"}


def finish(service: Service, job: int) -> None:
    """Take in what a job has left.

    Raises:
        StudioError: a bucket can't be written to; the job has failed then, and says so.
    """
    _finish(service, job)
    (service.jobs.folder(job) / TAKEN).touch()


def catch_up(service: Service) -> None:
    """Take in the results of jobs that were done while the studio ran without the service's API."""
    rows = service.state.database.rows(
        "SELECT job FROM models WHERE job AND NOT deleted UNION SELECT job FROM packagings UNION"
        " SELECT job FROM datasets WHERE job ORDER BY job"
    )
    for number in [row["job"] for row in rows]:
        job = service.job(number)
        if job is None or job.state != "done" or (service.jobs.folder(number) / TAKEN).exists():
            continue
        try:
            finish(service, number)
        except Exception as error:  # as for a job that is done now
            log.exception("job %d was done, its result can't be used", number)
            service.jobs.set(number, "failed", problem=f"its result can't be used: {error}")


def _finish(service: Service, job: int) -> None:
    kind = service.jobs.get(job).kind
    if kind == TRAINING:
        _finish_training(service, job)
    elif kind == PACKAGE:
        _finish_packaging(service, job)
    elif kind == IMPORT:
        _finish_import(service, job)


def _finish_import(service: Service, job: int) -> None:
    """Keep the lines of a dataset as they were sent, with the pictures that they became."""
    about = service.jobs.about(job)
    if "dataset" not in about:
        return
    project, type_ = about["dataset"]
    result = service.jobs.result(job) or {}
    with service.state.database.writing() as write:
        for reference, line, picture in result.get("entries", []):
            write.execute(
                "INSERT INTO entries (project, type, reference, line, picture, created) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (project, type, reference)"
                " DO UPDATE SET line = excluded.line, picture = excluded.picture",
                (project, type_, reference, line, picture, time.time()),
            )


def _finish_training(service: Service, job: int) -> None:
    row = service.state.database.row("SELECT * FROM models WHERE job = ?", (job,))
    if row is None:
        return
    details: dict[str, Any] = json.loads(row["details"])
    folder = service.jobs.folder(job) / EVALUATION_FOLDER
    location = details["OutputConfig"]["S3Location"]
    arn = f"arn:aws:lookoutvision:{details['region']}:000000000000:model/{row['project']}/{row['number']}"
    result = json.loads(next(folder.glob("EvaluationResult-*.json")).read_bytes())
    result["EvaluationDetails"]["ModelArn"] = arn
    lines = _lines(service, row, next(folder.glob("EvaluationManifest-*.json")), arn, details["dataset"])
    name = f"{row['project']}-{row['number']}.json"
    for kind, content in (("EvaluationResult", json.dumps(result, indent=2) + "\n"), ("EvaluationManifest", lines)):
        key = f"{location['Prefix']}{kind}-{name}"
        service.buckets.write(location["Bucket"], key, content.encode())
        details[kind] = {"Bucket": location["Bucket"], "Key": key}
    metrics = result["AggregatedEvaluationResults"]["Metrics"]
    details["performance"] = {ours: float(metrics[theirs] or 0.0) for ours, theirs in _METRICS.items()}
    details["ended"] = time.time()
    service.state.write(
        "UPDATE models SET details = ? WHERE project = ? AND number = ?",
        json.dumps(details), row["project"], row["number"],
    )  # fmt: skip


def _lines(service: Service, row: Any, path: Path, arn: str, dataset: str) -> str:
    """Give the evaluation manifest with the references that the pictures had in their datasets."""
    entries = service.state.database.rows("SELECT reference, picture FROM entries WHERE project = ?", (dataset,))
    references = {}
    for entry in entries:
        try:
            picture = service.store.pictures.path(row["project"], entry["picture"])
        except StudioError:
            continue
        references[picture.name] = entry["reference"]
    written = []
    for text in path.read_text().splitlines():
        line = json.loads(text)
        line["source-ref"] = references.get(Path(line["source-ref"]).name, line["source-ref"])
        line["anomaly-label-detected-metadata"] |= {
            "model-arn": arn, "project-name": row["project"], "model-version": str(row["number"])
        }  # fmt: skip
        written.append(json.dumps(line) + "\n")
    return "".join(written)


def _finish_packaging(service: Service, job: int) -> None:
    """Put the artifact and the recipe where StartModelPackagingJob was told."""
    row = service.state.database.row("SELECT * FROM packagings WHERE job = ?", (job,))
    if row is None:
        return
    location = json.loads(row["asked"])["Configuration"]["Greengrass"]["S3OutputLocation"]
    folder = service.jobs.folder(job) / "package"
    prefix = location.get("Prefix", "")
    prefix = prefix if prefix in ("", "/") or prefix.endswith("/") else f"{prefix}/"
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = prefix.lstrip("/") + path.relative_to(folder).as_posix()
            service.buckets.write(location["Bucket"], key, path.read_bytes(), "application/octet-stream")
