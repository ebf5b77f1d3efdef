"""edge-agent package."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import click

from edge_agent.cli.output import check_option, check_output, json_option, note, print_json, print_table
from edge_agent.component.manifest import Target
from edge_agent.component.version import check_name, parse_version
from edge_agent.delivery.jobs import Job, JobRecords, default_jobs_dir, describe_job, list_jobs
from edge_agent.delivery.packager import Order, package
from edge_agent.delivery.publishing import Aws, parse_place
from edge_agent.delivery.recipe import DEFAULT_AGENT
from edge_agent.delivery.signing import read_private_key
from edge_agent.delivery.targets import combinations, is_known, target_device, target_platform
from edge_agent.inference.engines.options import Precision

_PATH = click.Path(path_type=Path, readable=False)
_MAX_TAGS = 50


@click.command(
    epilog="Example: edge-agent package models/cookies/1.0.0 --target-platform LINUX/X86_64 --location packages"
)
@click.argument("component", type=_PATH, required=False)
@click.option("--target-device", metavar="NAME", help="Device to package for, such as jetson_xavier.")
@click.option("--target-platform", metavar="OS/ARCH[/ACCELERATOR]",
              help="Platform to package for: LINUX, ARM64 or X86_64, and NVIDIA or nothing.")  # fmt: skip
@click.option("--compiler-options", metavar="JSON",
              help='Of the platform: gpu-code, trt-ver and cuda-ver for NVIDIA, mcpu otherwise '
              "[default: core-avx2 on X86_64].")  # fmt: skip
@click.option("--precision", type=click.Choice(get_args(Precision)),
              help="What a GPU is to compute it in  [default: as the manifest says, else fp32]")  # fmt: skip
@click.option("--component-name", metavar="NAME", help="Name of the Greengrass component  [default: the model's]")
@click.option("--component-version", metavar="VERSION", help="Its semantic version  [default: the model's]")
@click.option("--component-description", metavar="TEXT", help="A sentence for the Greengrass console.")
@click.option("--sign-key", type=_PATH, metavar="KEY.pem",
              help="Private key to sign the packaged component with (edge-agent sign).")  # fmt: skip
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Tag of the component (may be given again).")
@click.option("--location", metavar="DIR|s3://BUCKET/PREFIX", default="packages", show_default=True,
              help="Where the artifact is to lie: a folder, for local deployments, or S3.")  # fmt: skip
@click.option("-o", "--output", type=_PATH, metavar="DIR",
              help="Folder for what is made, if --location is in S3  [default: packages]")  # fmt: skip
@click.option("--recipe-format", type=click.Choice(["json", "yaml"]), default="json", show_default=True,
              help="What the recipe is written in; Greengrass takes both.")  # fmt: skip
@click.option("--agent-component", metavar="NAME", default=DEFAULT_AGENT, show_default=True,
              help="Name of the agent's component; '' when the agent is a system service.")  # fmt: skip
@click.option(
    "--publish", is_flag=True, help="Upload to S3, create the component version, wait until it is DEPLOYABLE."
)
@click.option("--region", metavar="NAME", help="AWS region for --publish  [default: that of the AWS configuration]")
@click.option("--profile", metavar="NAME", help="AWS profile for --publish.")
@click.option("--job-name", metavar="NAME", help="Name of the packaging job  [default: made of component and time]")
@click.option("--job-description", metavar="TEXT", default="", help="Description of the packaging job.")
@click.option("--list", "list_them", is_flag=True, help="List the packaging jobs instead.")
@click.option("--describe", "described", metavar="JOB", help="Describe a packaging job instead.")
@click.option("--known-targets", is_flag=True, help="List hardware with the compiler options that fit it instead.")
@click.option("--jobs-dir", type=_PATH, envvar="EDGE_AGENT_JOBS_DIR", metavar="DIR",
              help="Folder of the jobs' records (also EDGE_AGENT_JOBS_DIR)  [default: ~/.local/state/edge-agent/"
              "packaging-jobs]")  # fmt: skip
@json_option
def command(
    component: Path | None, target_device: str | None, target_platform: str | None, compiler_options: str | None,
    precision: str | None, component_name: str | None, component_version: str | None, component_description: str | None,
    sign_key: Path | None, tags: tuple[str, ...], location: str, output: Path | None, recipe_format: Any,
    agent_component: str, publish: bool, region: str | None, profile: str | None, job_name: str | None,
    job_description: str, list_them: bool, described: str | None, known_targets: bool, jobs_dir: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Make a Greengrass component of the model COMPONENT, a folder such as models/cookies/1.0.0.

    What is made lies in DIR/NAME/VERSION: the recipe, and the artifact to upload. The target travels in the component;
    an agent on another kind of device refuses it and says why.
    """
    records = JobRecords(jobs_dir or default_jobs_dir())
    modes = [bool(component), list_them, described is not None, known_targets]
    if sum(modes) != 1:
        raise click.UsageError("name a COMPONENT to package, or one of --list, --describe and --known-targets")
    if known_targets:
        _print_known_targets(as_json)
    elif list_them:
        jobs, problems = records.read_all()
        for problem in problems:
            note(problem)
        _print_jobs(jobs, as_json)
    elif described is not None:
        _print_job(records.read(described), as_json)
    else:
        assert component is not None
        checks: list[tuple[str, str | None, Callable[[str], object]]] = [
            ("--component-name", component_name, check_name),
            ("--component-version", component_version, parse_version),
            ("--agent-component", agent_component or None, check_name),
            ("--component-description", component_description, str.encode),  # UnicodeEncodeError is a ValueError
            ("--job-description", job_description, str.encode),
            *(("--tag", tag, str.encode) for tag in tags),
        ]
        for option, value, check in checks:
            if value is not None:
                check_option(option, value, check)
        in_s3 = "://" in location
        if publish and not in_s3:
            raise click.UsageError("--publish needs a --location in S3, such as s3://BUCKET/PREFIX")
        if output is not None and not in_s3:
            raise click.UsageError("--output goes with a --location in S3; a local --location is the output")
        folder = (output or Path("packages")) if in_s3 else Path(location)
        check_output(folder)
        order = Order(
            component,
            _target(target_device, target_platform, compiler_options),
            folder,
            component_name,
            component_version,
            component_description,
            job_name,
            job_description,
            _parse_tags(tags),
            parse_place(location) if in_s3 else None,
            recipe_format,
            agent_component,
            precision,
            read_private_key(sign_key) if sign_key else None,
        )
        job = package(order, records, Aws(region, profile) if publish else None)
        if as_json:
            print_json(describe_job(job))
        else:
            _print_result(job, order)


def _target(device: str | None, platform: str | None, options: str | None) -> Target:
    if (device is None) == (platform is None):
        raise click.UsageError("name a --target-device or a --target-platform, and not both")
    if device is not None:
        if options is not None:
            raise click.UsageError("--compiler-options go with a --target-platform; those of a device are known")
        return target_device(device)
    assert platform is not None
    target = target_platform(platform, options)
    if not is_known(target):
        note(
            f"{json.dumps(target.compiler_options)} on {target.arch} is not among the combinations that "
            "are known to fit (--known-targets)"
        )
    return target


def _parse_tags(tags: tuple[str, ...]) -> dict[str, str]:
    parsed: dict[str, str] = {}
    for tag in tags:
        key, equals, value = tag.partition("=")
        if not equals or not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise click.BadParameter(
                f"{tag[:80]!r} is not KEY=VALUE, a key of up to 128 characters that does not begin with aws: and a "
                "value of up to 256",
                param_hint="--tag",
            )
        if key in parsed:
            raise click.BadParameter(f"the key {key!r} is given twice", param_hint="--tag")
        parsed[key] = value
    if len(parsed) > _MAX_TAGS:
        raise click.BadParameter(f"there are {len(parsed)} tags, expected at most {_MAX_TAGS}", param_hint="--tag")
    return parsed


def _print_result(job: Job, order: Order) -> None:
    made = job.model_packaging_output_details["Greengrass"]
    name, version = made["ComponentName"], made["ComponentVersion"]
    click.echo(f"component {name} {version}, job {job.job_name}")
    click.echo(f"  recipe    {made['Recipe']}")
    click.echo(f"  artifact  {made['Artifact']}")
    click.echo(f"            {made['ArtifactBytes'] / 1e6:.1f} MB, SHA-256 {made['ArtifactSha256']}")
    if "ComponentVersionArn" in made:
        click.echo(f"  DEPLOYABLE as {made['ComponentVersionArn']}")
    elif order.place is not None:
        click.echo("To publish it, upload the artifact and create the component:")
        click.echo(f"    aws s3 cp {shlex.quote(made['Artifact'])} {shlex.quote(made['ArtifactUri'])}")
        tags = f" --tags {shlex.join(f'{key}={value}' for key, value in order.tags.items())}" if order.tags else ""
        inline = shlex.quote(f"fileb://{made['Recipe']}")
        click.echo(f"    aws greengrassv2 create-component-version --inline-recipe {inline}{tags}")
    else:
        for line in _local_deployment(made, order.output.absolute()):
            click.echo(line)


def _local_deployment(made: dict[str, Any], artifacts: Path) -> Iterator[str]:
    """Give the commands that deploy it on this machine, whole: a nucleus has another folder, and another PATH."""
    recipe = Path(made["Recipe"]).absolute()
    component = shlex.quote(f"{made['ComponentName']}={made['ComponentVersion']}")
    folder, store = shlex.quote(str(recipe.parent)), shlex.quote(str(artifacts))
    # All that lies beside a recipe is copied into lite's store, and stays there.
    alone = shlex.quote(str(artifacts / "recipes"))
    yield "To deploy it with the nucleus of this device (copy the folder to the same place on another):"
    yield (
        f"    sudo /greengrass/v2/bin/greengrass-cli deployment create --recipeDir {folder} --artifactDir {store} "
        f"--merge {component}"
    )
    yield "or with nucleus lite:"
    yield (
        f"    mkdir -p {alone} && cp {shlex.quote(str(recipe))} {alone} && "
        f"sudo ggl-cli deploy --recipe-dir {alone} --artifacts-dir {store} --add-component {component}"
    )


def _print_jobs(jobs: list[Job], as_json: bool) -> None:
    if as_json:
        print_json(list_jobs(jobs))
    elif jobs:
        rows = [
            (job.job_name, job.status, f"{job.project_name} {job.model_version}", _component(job), _time(job))
            for job in jobs
        ]
        print_table(("JOB", "STATUS", "MODEL", "COMPONENT", "CREATED"), rows)
    else:
        click.echo("no packaging jobs yet", err=True)


def _print_job(job: Job, as_json: bool) -> None:
    if as_json:
        print_json(describe_job(job))
        return
    chosen = job.model_packaging_configuration["Greengrass"]
    made = job.model_packaging_output_details.get("Greengrass", {})
    platform = "/".join(chosen.get("TargetPlatform", {}).values())
    rows = {
        "job": job.job_name,
        "description": job.model_packaging_job_description,
        "status": job.status,
        "message": job.status_message,
        "model": f"{job.project_name} {job.model_version}",
        "target": f"{chosen.get('TargetDevice') or platform} {chosen['CompilerOptions']}",
        "component": _component(job),
        "ARN": made.get("ComponentVersionArn", ""),
        "recipe": made.get("Recipe", ""),
        "artifact": made.get("Artifact", ""),
        "SHA-256": made.get("ArtifactSha256", ""),
        "location": made.get("ArtifactUri", ""),
        "tags": ", ".join(f"{tag['Key']}={tag['Value']}" for tag in chosen["Tags"]),
        "created": _time(job),
        "last updated": f"{job.last_updated_timestamp:%Y-%m-%d %H:%M:%S} UTC",
    }
    for heading, value in rows.items():
        if value:
            click.echo(f"{heading + ':':<14}{value}")


def _print_known_targets(as_json: bool) -> None:
    known = combinations()
    if as_json:
        print_json([{field: getattr(row, field) for field in row.__struct_fields__} for row in known])
        return
    rows = [
        (
            row.hardware,
            "/".join(part for part in ("LINUX", row.arch, row.accelerator) if part),
            json.dumps(row.compiler_options),
            row.known_from,
        )
        for row in known
    ]
    print_table(("HARDWARE", "TARGET PLATFORM", "COMPILER OPTIONS", "KNOWN FROM"), rows)


def _component(job: Job) -> str:
    chosen = job.model_packaging_configuration["Greengrass"]
    return f"{chosen['ComponentName']} {chosen['ComponentVersion']}"


def _time(job: Job) -> str:
    return f"{job.creation_timestamp:%Y-%m-%d %H:%M:%S} UTC"
