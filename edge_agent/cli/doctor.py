"""edge-agent doctor."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edge_agent.cli import EXIT_FAILED
from edge_agent.cli.output import json_option, print_json, print_table
from edge_agent.device.doctor.checks import examine
from edge_agent.device.doctor.finding import Finding, Verdict
from edge_agent.line.running import CONFIGURED
from edge_agent.settings import load_settings


@click.command(epilog="Example: edge-agent doctor --model-dir /var/lib/edge-agent/models")
@click.option("--config", type=click.Path(path_type=Path, readable=False), help="TOML file of settings, as for serve.")
@click.option("--socket", metavar="unix:///PATH", help="Address of the daemon, as for serve.")
@click.option("--model-dir", multiple=True, metavar="DIR", help="Folder of model components, as for serve.")
@click.option("--registry", metavar="DIR", help="Folder where deployed components register, as for serve.")
@click.option("--state-dir", metavar="DIR", help="State folder, as for serve.")
@click.option(
    "--lines", type=click.Path(path_type=Path), default=CONFIGURED, show_default=True, metavar="DIR",
    help="Folder of the files of lines.",
)  # fmt: skip
@json_option
def command(
    config: Path | None,
    socket: str | None,
    model_dir: tuple[str, ...],
    registry: str | None,
    state_dir: str | None,
    lines: Path,
    as_json: bool,
) -> None:
    """Tell whether this device can serve its model components and run its lines, and what is missing.

    The settings are those that serve would use. Segments of clients that were killed are removed from /dev/shm.
    The exit code is 1 when something has to be mended.
    """
    flags = {"socket": socket, "model_dir": model_dir, "registry": registry, "state_dir": state_dir}
    findings = examine(load_settings({name: value for name, value in flags.items() if value}, config=config), lines)
    if as_json:
        print_json([_fields(finding) for finding in findings])
    else:
        print_table(
            ("", "CHECK", "FOUND", "WHAT TO DO"),
            [(finding.verdict.value, finding.check, finding.found, finding.remedy) for finding in findings],
        )
    if any(finding.verdict is Verdict.WRONG for finding in findings):
        sys.exit(EXIT_FAILED)


def _fields(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "verdict": finding.verdict.value,
        "found": finding.found,
        "remedy": finding.remedy,
    }
