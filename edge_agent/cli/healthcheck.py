"""edge-agent healthcheck."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edge_agent.cli.output import socket_option
from edge_agent.client.health import check_health
from edge_agent.errors import EdgeAgentError
from edge_agent.settings import check_address


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
    _check_socket(socket)
    check_health(socket, "", timeout)
    ill = [model for model in models if not check_health(socket, model, timeout)]
    if ill:
        click.echo(f"not serving: {', '.join(ill)}", err=True)
        sys.exit(1)
    click.echo("serving" + (f": the agent, {', '.join(models)}" if models else ""))


def _check_socket(socket: str) -> None:
    """Raise EdgeAgentError (exit code 1: a container knows no other) where no daemon could ever be reached."""
    try:
        check_address(socket)
    except ValueError as error:
        raise EdgeAgentError(str(error)) from None
    path = socket.removeprefix("unix://").removeprefix("unix:")
    if Path(path).is_dir():
        raise EdgeAgentError(f"socket {socket!r} is a folder, expected the daemon's socket in it")
