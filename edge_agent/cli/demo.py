"""edge-agent demo."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import click

from edge_agent.access.rights import describe_refusal
from edge_agent.building.demo.model import BAD, GOOD, NAME, build_model, draw_pictures
from edge_agent.cli.detect import print_verdicts, send
from edge_agent.client.client import Client
from edge_agent.client.own_daemon import own_daemon
from edge_agent.errors import EdgeAgentError

_EACH = 6  # pictures of each kind
_MODEL_SEED, _PICTURE_SEED = 1, 2  # the pictures that are sent are not those that the model was made from
_PATIENCE = 30.0  # seconds for an agent without a running model to serve


@click.command(epilog="Example: edge-agent demo --output demo")
@click.option("--output", default="edge-agent-demo", type=click.Path(path_type=Path, readable=False, file_okay=False),
              metavar="DIR", show_default=True, help="Folder for the model, the pictures and the results.")  # fmt: skip
def command(output: Path) -> None:
    """Build a sample model, serve it, send it pictures through shared memory, and show what comes back.

    DIR/models is then a model folder, DIR/training what the model was made of, DIR/pictures/{normal,anomaly} what was
    sent, and DIR/overlays the pictures with their masks laid over.
    """
    try:
        _run(output)
    except OSError as error:
        raise EdgeAgentError(f"the demo can't write to {output}: {describe_refusal(error)}") from None


def _run(output: Path) -> None:
    begun = time.monotonic()
    click.echo(f"drawing {2 * _EACH} pictures of a steel flange, half of them scratched or dented")
    pictures = draw_pictures(output / "pictures", normal=_EACH, anomaly=_EACH, seed=_PICTURE_SEED)
    click.echo(f"building a model of other pictures: {GOOD} of good flanges, {BAD} of damaged ones")
    draw_pictures(output / "training", normal=GOOD, anomaly=BAD, seed=_MODEL_SEED)
    folder = build_model(output / "models", output / "training", _MODEL_SEED)
    click.echo(f"serving {folder}")
    # The demo's model is not signed, whatever the device's configuration asks of others.
    unsigned = {"EDGE_AGENT_REQUIRE_SIGNATURE": "false"}
    served = own_daemon("--model-dir", str(output / "models"), patience=_PATIENCE, environ=unsigned)
    with served as socket, Client(socket) as client:
        client.start(NAME)
        click.echo(f"model '{NAME}' is RUNNING; sending the pictures through shared memory\n")
        sent, problems = send(client, NAME, pictures, output / "overlays")
    print_verdicts(sent)
    if problems:
        raise EdgeAgentError("; ".join(problems))
    right = sum(item.detection.is_anomalous == (item.path.parent.name == "anomaly") for item in sent)
    click.echo(f"\n{right} of {len(sent)} verdicts are right; that took {time.monotonic() - begun:.0f} s altogether")
    click.echo(f"pictures with their masks: {output / 'overlays'}\n")
    click.echo("Next, in one terminal:")
    program = _program()
    click.echo(f"    {program} serve --model-dir {output / 'models'}")
    click.echo("and in another:")
    click.echo(f"    {program} detect {NAME} {output}/pictures/*/*.png --start --overlay marked")
    click.echo(f"    {program} models list")
    click.echo("The model was built, and can be measured, with:")
    click.echo(f"    {program} train {output / 'training'} -o models --name {NAME} --locate")
    click.echo(f"    {program} evaluate {folder} {output / 'pictures'}")
    if right < len(sent):
        raise EdgeAgentError(f"{len(sent) - right} of the {len(sent)} verdicts are wrong")


def _program() -> str:
    """Give what a user has to type for this program, where it is not on the PATH."""
    if shutil.which("edge-agent"):
        return "edge-agent"
    return os.path.relpath(Path(sys.executable).parent / "edge-agent")
