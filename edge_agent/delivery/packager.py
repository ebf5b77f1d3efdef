"""A packaging job from beginning to end."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edge_agent.component.ed25519 import PrivateKey
from edge_agent.component.manifest import Manifest, Target
from edge_agent.delivery.artifact import (
    PackagedArtifact,
    artifact_stem,
    read_component,
    write_artifact,
)
from edge_agent.delivery.jobs import Job, JobRecords, now
from edge_agent.delivery.modes import make_folder, open_to_readers
from edge_agent.delivery.publishing import Aws, S3Place
from edge_agent.delivery.recipe import RecipeFormat, model_recipe, write_recipe
from edge_agent.errors import EdgeAgentError, PackagingError


class Order(NamedTuple):
    """What is to be packaged, and how; None takes what the model says."""

    component: Path
    target: Target
    output: Path
    name: str | None = None
    version: str | None = None
    description: str | None = None
    job_name: str | None = None
    job_description: str = ""
    tags: Mapping[str, str] = {}
    place: S3Place | None = None
    form: RecipeFormat = "json"
    agent: str = ""
    precision: str | None = None
    key: PrivateKey | None = None


def package(order: Order, records: JobRecords, aws: Aws | None) -> Job:
    """Package a component into <output>/<name>/<version>/, publish it if `aws` is given, and return the job's record.

    What is in the output folder is whole: after a failure nothing is left there, and the record says why.

    Raises:
        PackagingError, ComponentError: the component is broken, or exists already at the output, or was refused.
    """
    source = read_component(order.component)
    manifest = _identify(source, order)
    target_folder = order.output / manifest.name / manifest.version
    stem = artifact_stem(manifest.name, manifest.version)
    created = now()
    job = Job(
        job_name=records.new_name(order.job_name, stem.partition("_greengrass")[0].replace("_", "-")),
        project_name=source.name,
        model_version=source.version,
        model_packaging_job_description=order.job_description,
        model_packaging_configuration=_configuration(manifest, order),
        creation_timestamp=created,
        last_updated_timestamp=created,
        process_id=os.getpid(),
    )
    records.save(job)
    try:
        if os.path.lexists(target_folder):
            raise _exists(manifest, target_folder)
        arn = _make(order, manifest, target_folder, aws, job)
        if aws is not None:
            records.save(job)  # what exists in AWS is known even if this process is killed while it waits
            aws.wait(arn, f"component {manifest.name} {manifest.version}")
    except BaseException as error:
        job.status = "FAILED"
        job.status_message = str(error) if isinstance(error, EdgeAgentError | OSError) else "it was interrupted"
        records.save(job)
        raise
    job.status = "SUCCEEDED"
    records.save(job)
    return job


def _exists(manifest: Manifest, folder: Path) -> PackagingError:
    return PackagingError(
        f"component {manifest.name} {manifest.version} exists already: {folder}; choose another version"
    )


def _identify(manifest: Manifest, order: Order) -> Manifest:
    """Give the manifest the component's name and version, and what it is packaged for."""
    return msgspec.structs.replace(
        manifest,
        name=order.name or manifest.name,
        version=order.version or manifest.version,
        description=" ".join((order.description or manifest.description or f"Model {manifest.name}").split()),
        target=order.target,
        precision=order.precision or manifest.precision,
    )


def _configuration(manifest: Manifest, order: Order) -> dict[str, Any]:
    target = order.target
    chosen: dict[str, Any] = {"CompilerOptions": msgspec.json.encode(target.compiler_options).decode()}
    if target.device:
        chosen["TargetDevice"] = target.device
    else:
        platform = {"Os": target.os, "Arch": target.arch, "Accelerator": target.accelerator}
        chosen["TargetPlatform"] = {key: value for key, value in platform.items() if value}
    if order.place is not None:
        chosen["S3OutputLocation"] = {"Bucket": order.place.bucket, "Prefix": order.place.prefix}
    chosen |= {
        "ComponentName": manifest.name,
        "ComponentVersion": manifest.version,
        "ComponentDescription": manifest.description,
        "Tags": [{"Key": key, "Value": value} for key, value in order.tags.items()],
    }
    return {"Greengrass": chosen}


def _make(order: Order, manifest: Manifest, folder: Path, aws: Aws | None, job: Job) -> str:
    """Write the component, create it in AWS if that is wanted, note both in the job, and return the ARN."""
    make_folder(folder.parent)
    try:
        with tempfile.TemporaryDirectory(prefix=".packaging-", dir=folder.parent) as temporary:
            unfinished = Path(temporary) / "package"
            unfinished.mkdir()
            artifact = write_artifact(order.component, manifest, unfinished, order.key)
            recipe = _write_recipe(order, manifest, artifact, unfinished)
            open_to_readers(unfinished)
            arn = _publish(aws, order, manifest, artifact, recipe) if aws is not None else ""
            try:
                unfinished.rename(folder)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # another job was faster
                    raise _exists(manifest, folder) from None
                raise
    finally:
        with contextlib.suppress(OSError):  # nothing stays of what failed
            folder.parent.rmdir()
    details: dict[str, Any] = {"ComponentName": manifest.name, "ComponentVersion": manifest.version}
    if arn:
        details["ComponentVersionArn"] = arn
    details |= {
        "Recipe": _shown(folder / recipe.name),
        "Artifact": _shown(folder / artifact.path.name),
        "ArtifactSha256": artifact.sha256,
        "ArtifactBytes": artifact.size,
    }
    if order.place is not None:
        details["ArtifactUri"] = order.place.uri(manifest.name, manifest.version, artifact.path.name)
    job.model_packaging_output_details = {"Greengrass": details}
    return arn


def _write_recipe(order: Order, manifest: Manifest, artifact: PackagedArtifact, folder: Path) -> Path:
    name, version = manifest.name, manifest.version
    recipe = model_recipe(
        name=name,
        version=version,
        description=manifest.description,
        target=order.target,
        stem=artifact.path.stem,
        sha256=artifact.sha256,
        artifact_uri=order.place.uri(name, version, artifact.path.name) if order.place else None,
        agent=order.agent,
    )
    # Named as the nucleus wants recipes of local deployments to be named.
    path = folder / f"{name}-{version}.{order.form}"
    path.write_bytes(write_recipe(recipe, order.form))
    return path


def _publish(aws: Aws, order: Order, manifest: Manifest, artifact: PackagedArtifact, recipe: Path) -> str:
    assert order.place is not None
    name, version = manifest.name, manifest.version
    aws.upload(artifact, order.place, order.place.key(name, version, artifact.path.name))
    return aws.create_component(recipe.read_bytes(), order.tags, f"component {name} {version}")


def _shown(path: Path) -> str:
    """Give a path as text: a file's name need not be."""
    return str(path).encode(errors="backslashreplace").decode()
