"""edge-agent serve."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click

from edge_agent.children.ending import end_at_once
from edge_agent.logs import FORMAT_VARIABLE, log_to_stderr
from edge_agent.settings import ONLY_IN_FILE, Settings, choices_of, load_settings, parse_pins
from edge_agent.shortage import allow_many_descriptors

_METAVARS = {
    "socket": "unix:///PATH",
    "model_dir": "DIR",
    "registry": "DIR",
    "state_dir": "DIR",
    "plan_dir": "DIR",
    "trusted_key": "PATH",
    "pin": "NAME=VERSION",
    "metrics": "HOST:PORT",
    "traces": "URL",
}


def _setting_flags(function: Callable[..., None]) -> Callable[..., None]:
    """Add a flag for every field of Settings, with the field's own sentence as its help."""
    hints, defaults = get_type_hints(Settings, include_extras=True), Settings()
    for field in reversed(Settings.__struct_fields__):
        if field in ONLY_IN_FILE:
            continue
        kind, meta = get_args(hints[field])[:2]
        several = isinstance(getattr(defaults, field), tuple | dict)
        flag = "--" + field.replace("_", "-")
        function = click.option(
            flag,
            field,
            type=click.Choice(choices_of(field)) if choices_of(field) else kind if kind in (int, float, bool) else str,
            is_flag=kind is bool,
            multiple=several,
            default=None,
            metavar=_METAVARS.get(field),
            help=_sentence(meta.description, several, getattr(defaults, field)),
        )(function)
    return function


def _sentence(description: str, several: bool, default: object) -> str:
    shown = f" [default: {default}]" if default is not False and default not in ("", (), {}) else ""
    return description[0].upper() + description[1:] + (" (may be given again)" if several else "") + "." + shown


@click.command(
    epilog="Example: edge-agent serve --model-dir /var/lib/edge-agent/models. "
    "Every flag is also a variable EDGE_AGENT_… and a key of the TOML file; see docs/settings.md."
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),
    help="TOML file of settings (else /etc/edge-agent/config.toml if there).",
)
@_setting_flags
def command(config: Path | None, **flags: Any) -> None:
    """Run the daemon until SIGTERM or SIGINT. The first finishes the calls in flight, a second ends at once."""
    given = {name: value for name, value in flags.items() if value not in (None, ())}
    if "pin" in given:
        given["pin"] = parse_pins(list(given["pin"]))
    settings = load_settings(given, config=config)
    os.environ[FORMAT_VARIABLE] = settings.log_format  # for the processes that it starts
    log_to_stderr(settings.log_level)
    allow_many_descriptors()
    from edge_agent.serving.rpc.server import End, Server

    end = asyncio.run(Server(settings).serve())
    if end is End.IMMEDIATE:
        os._exit(0)
    end_at_once()
