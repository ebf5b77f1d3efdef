"""edge-agent healthcheck."""

from __future__ import annotations

import sys

import click

from edge_agent.cli.output import socket_option
from edge_agent.client.health import check_health


@click.command(epilog='Example, in a container: HEALTHCHECK CMD ["edge-agent", "healthcheck", "cookies"]')
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long an answer may take.",
)
@socket_option
def command(models: tuple[str, ...], timeout: float, socket: str) -> None:
    """Tell by the exit code whether the daemon serves, and each MODEL that is named: 0, or 1 with the reason.

    A model serves when it is RUNNING and has not refused calls for want of room within the last second.
    """
    check_health(socket, "", timeout)
    ill = [model for model in models if not check_health(socket, model, timeout)]
    if ill:
        click.echo(f"not serving: {', '.join(ill)}", err=True)
        sys.exit(1)
    click.echo("serving" + (f": the agent, {', '.join(models)}" if models else ""))
