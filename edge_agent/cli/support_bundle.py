"""edge-agent support-bundle."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import click

from edge_agent.cli.output import note, status_line
from edge_agent.device.support.bundle import Wanted, write_bundle
from edge_agent.errors import EdgeAgentError
from edge_agent.settings import load_settings


@click.command(epilog="Example: sudo edge-agent support-bundle -o /tmp")
@click.option(
    "-o", "--output", default=".", type=click.Path(path_type=Path, readable=False), help="Folder, or file, to write to."
)
@click.option("--config", type=click.Path(path_type=Path, readable=False), help="TOML file of settings, as for serve.")
@click.option("--socket", "address", metavar="unix:///PATH", help="Address of the daemon, as for serve.")
@click.option("--state-dir", metavar="DIR", help="State folder, as for serve.")
@click.option("--unit", default="edge-agent", show_default=True, help="Service whose lines of the journal are taken.")
@click.option(
    "--log",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE",
    help="Log file, where there is no journal.",
)
@click.option(
    "--pictures", type=click.Path(path_type=Path, readable=False), metavar="DIR", help="Add this folder of pictures."
)
def command(
    output: Path,
    config: Path | None,
    address: str | None,
    state_dir: str | None,
    unit: str,
    log: Path | None,
    pictures: Path | None,
) -> None:
    """Write an archive for whoever helps: doctor, settings, versions, models, metrics, manifests, audit trail, log.

    Secrets are left out of the settings. There are no pictures in it unless --pictures names a folder of them. What
    can't be had, because the daemon does not answer, say, is named in contents.txt.
    """
    for path, option in ((log, "--log"), (pictures, "--pictures")):
        if path is not None and not path.exists():
            raise click.BadParameter(f"{path} does not exist", param_hint=option)
    flags = {"socket": address, "state_dir": state_dir}
    settings = load_settings({name: value for name, value in flags.items() if value}, config=config)
    name = f"edge-agent-support-{socket.gethostname()}-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz"
    path = output / name if output.is_dir() else output
    try:
        with status_line() as say:
            bundled = write_bundle(path, settings, Wanted(unit, log, pictures), say)
    except FileExistsError:
        raise EdgeAgentError(f"{path} exists already") from None
    for part, why in bundled.missing.items():
        note(f"without {part}: {why}")
    click.echo(f"{path}: {len(bundled.files)} files, {path.stat().st_size} bytes")
