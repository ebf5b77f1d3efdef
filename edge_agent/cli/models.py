"""edge-agent models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from edge_agent.cli.compare import compare
from edge_agent.cli.output import json_option, print_json, print_table, socket_option, status_line
from edge_agent.client.client import Client
from edge_agent.client.detection import ModelInfo
from edge_agent.inference.engines.options import ENGINES, Precision
from edge_agent.records.shadow.wanted import parse_named
from edge_agent.settings import load_settings

_PATH = click.Path(path_type=Path, readable=False)


@click.group(epilog="Example: edge-agent models start cookies --wait")
def command() -> None:
    """List, describe, start, stop and compare the models of a daemon; build them for a GPU."""


@command.command("list", epilog="Example: edge-agent models list --json")
@socket_option
@json_option
def list_(socket: str, as_json: bool) -> None:
    """List the models on the device."""
    with Client(socket) as client:
        models = client.models()
    if as_json:
        print_json([_fields(model) for model in models])
    elif models:
        rows = [(model.name, model.version or "-", model.status, model.message) for model in models]
        print_table(("MODEL", "VERSION", "STATUS", "MESSAGE"), rows)
    else:
        click.echo("no model components; put one into a folder that the daemon serves (--model-dir)", err=True)


@command.command(epilog="Example: edge-agent models describe cookies")
@click.argument("name")
@socket_option
@json_option
def describe(name: str, socket: str, as_json: bool) -> None:
    """Describe the model NAME."""
    with Client(socket) as client:
        model = client.describe(name)
    if as_json:
        print_json(_fields(model))
    else:
        rows = [
            ("model", model.name),
            ("version", model.version),
            ("status", model.status),
            ("message", model.message),
            ("ARN", model.arn),
        ]
        for heading, value in rows:
            click.echo(f"{heading + ':':<9}{value or '-'}")


@command.command(epilog="Example: edge-agent models start cookies --wait")
@click.argument("name")
@click.option("--wait", is_flag=True, help="Wait until it is RUNNING; exit code 1 if it fails.")
@socket_option
def start(name: str, wait: bool, socket: str) -> None:
    """Start the model NAME. It is RUNNING after a moment, and again after a restart of the daemon."""
    with Client(socket) as client:
        info = client.start(name, wait=wait)
    click.echo(f"model '{name}' is {info.status}")


@command.command(epilog="Example: edge-agent models stop cookies")
@click.argument("name")
@socket_option
def stop(name: str, socket: str) -> None:
    """Stop the model NAME, after the calls that it is at."""
    with Client(socket) as client:
        client.stop(name)
    click.echo(f"model '{name}' is STOPPED")


@command.command(epilog="Example: edge-agent models shadow cookies --with cookies@1.1.0")
@click.argument("name")
@click.option("--with", "other", metavar="MODEL[@VERSION]", help="What judges the same pictures.")
@click.option("--off", is_flag=True, help="No shadow any more.")
@socket_option
def shadow(name: str, other: str | None, off: bool, socket: str) -> None:
    """Have another model judge the pictures of the model NAME, after that has answered.

    Nobody waits for it and nobody is told what it says: `edge-agent models compare` shows where they differ. It is so
    until it is switched off, also after a restart. Pictures that it has no time for are skipped.
    """
    if (other is None) == (not off):
        raise click.UsageError("expected either --with MODEL[@VERSION] or --off")
    if other is None:
        with Client(socket) as client:
            client.shadow(name)
        click.echo(f"model '{name}' has no shadow")
        return
    named = parse_named(other)
    with Client(socket) as client:
        message = client.shadow(name, named.model, named.version)
    click.echo(f"model '{name}': {message}")


command.add_command(compare)


@command.command(epilog="Example: edge-agent models build cookies --precision fp16")
@click.argument("name")
@click.option("--config", type=_PATH, help="TOML file of settings, as for serve.")
@click.option("--model-dir", multiple=True, metavar="DIR", help="Folder of model components, as for serve.")
@click.option("--registry", metavar="DIR", help="Folder where deployed components register, as for serve.")
@click.option("--state-dir", metavar="DIR", help="State folder, as for serve; what is built is kept there.")
@click.option("--plan-dir", metavar="DIR", help="Folder for what is built, as for serve.")
@click.option("--engine", type=click.Choice(["auto", *ENGINES]), help="What is to execute it, as for serve.")
@click.option("--precision", type=click.Choice(get_args(Precision)), help="What it is computed in, as for serve.")
@click.option("--batch", type=click.IntRange(0, 64), help="Pictures at once, as for serve.")
def build(name: str, config: Path | None, **flags: Any) -> None:
    """Build the model NAME for this device's GPU, so that its first start takes seconds.

    Without this it is built when it is first started, which can take many minutes. Needs no daemon, but the settings
    and the user of the one that will serve it: what is built is kept in the state folder.
    """
    settings = load_settings({key: value for key, value in flags.items() if value not in (None, ())}, config=config)
    from edge_agent.device.doctor.building import build as build_component  # loads what prepares pictures

    with status_line() as say:
        built = build_component(settings, name, say)
    manifest = built.component.manifest
    samples = f"{len(manifest.golden)} golden samples agree" if manifest.golden else "it has no golden samples"
    click.echo(
        f"{manifest.name} {manifest.version} is ready for {built.engine} in {built.precision} after "
        f"{built.seconds:.1f} s; {samples}"
    )


def _fields(model: ModelInfo) -> dict[str, str]:
    return {
        "model": model.name,
        "version": model.version,
        "status": model.status,
        "message": model.message,
        "arn": model.arn,
    }
