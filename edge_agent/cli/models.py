"""edge-agent models."""

from __future__ import annotations

import click

from edge_agent.cli.output import json_option, print_json, print_table, socket_option
from edge_agent.client import Client, ModelInfo


@click.group(epilog="Example: edge-agent models start cookies --wait")
def command() -> None:
    """List, describe, start and stop the models of a daemon."""


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
        print_table(("MODEL", "STATUS", "MESSAGE"), [(model.name, model.status, model.message) for model in models])
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
        rows = [("model", model.name), ("status", model.status), ("message", model.message), ("ARN", model.arn)]
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


def _fields(model: ModelInfo) -> dict[str, str]:
    return {"model": model.name, "status": model.status, "message": model.message, "arn": model.arn}
