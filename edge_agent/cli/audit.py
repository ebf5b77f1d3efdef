"""edge-agent audit."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click

from edge_agent.access.rights import describe_refusal
from edge_agent.cli.output import json_option, print_json, print_table
from edge_agent.errors import EdgeAgentError
from edge_agent.serving.auditing.chain import Link
from edge_agent.serving.auditing.files import parts, read_head
from edge_agent.serving.auditing.reading import read_entries, verify
from edge_agent.settings import load_settings

_ENTRY = re.compile("([0-9]{1,18}):([0-9a-f]{8,64})")
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


def _known(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> list[Link]:
    """Return entries as they are noted in the log."""
    found = []
    for value in values:
        matched = _ENTRY.fullmatch(value)
        if matched is None:
            raise click.BadParameter(
                f"{value!r} is not an entry such as 4711:9f86d081884c7d65, with 8 digits of its hash or more",
                param=parameter,
            )
        found.append(Link(int(matched[1]), matched[2]))
    return found


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
    context.obj = state_dir, as_json
    if context.invoked_subcommand is not None:
        for name in (name for name, value in (("--since", since), ("--model", model)) if value):
            raise click.UsageError(
                f"{name} can't be given for {context.invoked_subcommand}, which takes the whole trail"
            )
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


@command.command(
    "verify",
    short_help="Tell whether the trail was changed.",
    epilog="Example: edge-agent audit verify --known 4711:9f86d081884c7d65",
)
@_state_dir_option
@click.option(
    "--known",
    callback=_known,
    multiple=True,
    metavar="ENTRY:HASH",
    help="An entry that must be there, from the log or from wherever it was noted (may be given again).",
)
@json_option
@click.pass_obj
def verify_command(group: tuple[str | None, bool], state_dir: str | None, known: list[Link], as_json: bool) -> None:
    """Tell whether an entry was removed, edited or swapped since the daemon wrote it. Exit code 1 when one was.

    Also when audit.head is missing, which says what the last entry was, or was when the daemon started.

    The trail shows what was done to single entries; whoever can write to its folder could also make all of it anew.
    The daemon logs its last entry when it starts and when it ends: give it with --known, or copy the trail elsewhere.
    """
    found = verify(_folder(state_dir or group[0]), known)
    if as_json or group[1]:
        print_json(found._asdict())
    else:
        for told in (*found.problems, *found.notes):
            click.echo(told)
        what = f"entries {found.first} to {found.last}, {found.gaps} of them tell of others that could not be written"
        click.echo(f"{'wrong' if found.problems else 'whole'}: {found.entries} entries, {what}")
    sys.exit(1 if found.problems else 0)


def _folder(state_dir: str | None) -> Path:
    folder = Path(state_dir or load_settings({}).state_dir)
    try:
        if not parts(folder) and read_head(folder) is None:
            raise EdgeAgentError(f"there is no audit trail in {folder}; --state-dir names the daemon's state folder")
        for path in parts(folder):
            path.open("rb").close()
    except PermissionError as error:
        raise EdgeAgentError(f"{error.filename or folder} can't be read: {describe_refusal(error)}") from None
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
