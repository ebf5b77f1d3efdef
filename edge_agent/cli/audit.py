"""edge-agent audit."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click

from edge_agent.cli.output import json_option, print_json, print_table
from edge_agent.errors import EdgeAgentError
from edge_agent.serving.auditing.files import parts
from edge_agent.serving.auditing.reading import read_entries, verify
from edge_agent.settings import load_settings

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
#: shown in a column of their own
_COLUMNS = ("entry", "time", "event", "model", "user", "uid", "pid", "program", "outcome", "hash")


def _since(_: click.Context, parameter: click.Parameter, value: str | None) -> str:
    """Return a time as the entries write it."""
    if not value:
        return ""
    try:
        if value[-1] in _UNITS and value[:-1].isdecimal():
            moment = datetime.now(timezone.utc) - timedelta(**{_UNITS[value[-1]]: int(value[:-1])})
        else:
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is not a time such as 2026-05-01, 2026-05-01T06:00, 30m, 12h or 7d", param=parameter
        ) from None


_state_dir_option = click.option(
    "--state-dir", metavar="DIR", help="The daemon's state folder; else that of its settings."
)


@click.group(
    invoke_without_command=True,
    epilog="Example: edge-agent audit --since 7d --model cookies. Detections are counted (metrics.md), not audited.",
)
@_state_dir_option
@click.option("--since", callback=_since, metavar="TIME", help="Only entries from then on: a date or time, 12h, 7d.")
@click.option("--model", default="", metavar="NAME", help="Only entries about this model.")
@json_option
@click.pass_context
def command(context: click.Context, state_dir: str | None, since: str, model: str, as_json: bool) -> None:
    """Show who did what to which model, when, and what came of it.

    The daemon writes it down: StartModel and StopModel with who called, refused attempts too, versions that came, took
    over or were refused, its own starts and ends with the settings.
    """
    context.obj = state_dir
    if context.invoked_subcommand is not None:
        return
    entries = read_entries(_folder(state_dir), since, model)
    if as_json:
        for entry in entries:
            click.echo(json.dumps(entry, ensure_ascii=False))
        return
    rows = [
        (
            str(entry.get("time", "")),
            str(entry.get("event", "")),
            str(entry.get("model", "")),
            _who(entry),
            str(entry.get("outcome", "")),
            _rest(entry),
        )
        for entry in entries
    ]
    print_table(("time", "event", "model", "who", "outcome", "details"), rows)


@command.command("verify", short_help="Tell whether the trail was changed.", epilog="Example: edge-agent audit verify")
@_state_dir_option
@json_option
@click.pass_obj
def verify_command(group_state_dir: str | None, state_dir: str | None, as_json: bool) -> None:
    """Tell whether an entry was removed, edited or swapped since the daemon wrote it. Exit code 1 when one was.

    Also when audit.head is missing, which says what the last entry was.

    The trail shows what was done to single entries; whoever can write to its folder could also make all of it anew.
    Copy it elsewhere to be safe from that.
    """
    found = verify(_folder(state_dir or group_state_dir))
    if as_json:
        print_json(found._asdict())
    else:
        for problem in found.problems:
            click.echo(problem)
        what = f"entries {found.first} to {found.last}, {found.gaps} of them tell of others that could not be written"
        click.echo(f"{'wrong' if found.problems else 'whole'}: {found.entries} entries, {what}")
    sys.exit(1 if found.problems else 0)


def _folder(state_dir: str | None) -> Path:
    folder = Path(state_dir or load_settings({}).state_dir)
    try:
        if not parts(folder):
            raise EdgeAgentError(f"there is no audit trail in {folder}; --state-dir names the daemon's state folder")
        for path in parts(folder):
            path.open("rb").close()
    except PermissionError as error:
        raise EdgeAgentError(
            f"{error.filename or folder} can't be read by this user, expected root or the agent's user"
        ) from None
    return folder


def _who(entry: dict[str, Any]) -> str:
    if "pid" not in entry and entry.get("user"):  # a key of the service's API
        return str(entry["user"])
    if not entry.get("user"):
        return ""
    program = f" ({entry['program']})" if entry.get("program") else ""
    return f"{entry['user']}, process {entry.get('pid')}{program}"


def _rest(entry: dict[str, Any]) -> str:
    rest = {name: value for name, value in entry.items() if name not in _COLUMNS}
    settings = rest.pop("settings", None)
    details = str(rest.pop("details", ""))
    shown = [details, *(f"{name} {value}" for name, value in rest.items())]
    if settings is not None:
        shown.append(f"{len(settings)} settings (--json shows them)")
    return "; ".join(text for text in shown if text)
