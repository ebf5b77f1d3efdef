"""How commands speak: tables for people, JSON for programs, colours and widths of the terminal that is there."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from edge_agent.access.rights import describe_refusal
from edge_agent.building.counting import Progress
from edge_agent.component.version import check_name, parse_version
from edge_agent.errors import EdgeAgentError
from edge_agent.settings import DEFAULT_SOCKET

_F = TypeVar("_F", bound=Callable[..., Any])

_STYLES = {"RUNNING": "green", "FAILED": "red", "STARTING": "yellow", "STOPPING": "yellow"}
_STYLES |= {"normal": "green", "anomalous": "red", "ok": "green", "missing": "red", "note": "yellow", "wrong": "red"}

#: Without a terminal nothing is cut or wrapped: another program, or a log, wants the whole line.
_NO_TERMINAL_WIDTH = 1000


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print rows under headings; `right` names the columns of numbers."""
    from rich.console import Console  # half of the time that many a command takes to start, if it were above
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _NO_TERMINAL_WIDTH, highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        number = column in right
        table.add_column(column, justify="right" if number else "left", no_wrap=number or not terminal, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def print_json(value: Any) -> None:
    """Print what another program reads."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


#: how often progress is told to another program
_PROGRESS_SECONDS = 0.25


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Show a bar on the error output while it is a terminal; the function it gives is told what is done of how many.

    With EDGE_AGENT_PROGRESS=json in the environment another program reads it, a line of JSON for each step.
    """
    if os.environ.get("EDGE_AGENT_PROGRESS") == "json":
        yield _progress_lines(what)
        return
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _progress_lines(what: str) -> Progress:
    last = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_SECONDS or done == total:
            last = now
            click.echo(json.dumps({"progress": what, "done": done, "total": total}), err=True)

    tell(0, 0)
    return tell


@contextmanager
def status_line() -> Iterator[Callable[..., None]]:
    """Show what is being done: on a terminal one line that changes, otherwise a line for each thing, once."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True, highlight=False).status("") as status:
            yield lambda text, **_: status.update(text)
        return
    last = ""

    def say(text: str, **_: Any) -> None:
        nonlocal last
        what = text.partition(":")[0]  # behind it stands how far it is
        if what != last:
            click.echo(what, err=True)
        last = what

    yield say


class Share(click.FloatRange):
    """A number in a range; click lets nan pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not a number", param, ctx)
        return number


def note(text: str) -> None:
    """Tell on the error output what the user should know, although the command goes on."""
    click.echo(f"note: {text}", err=True)


def check_option(option: str, value: str, check: Callable[[str], object]) -> None:
    """Hold an option's value against a function that raises ValueError: what it refuses is wrong usage."""
    try:
        check(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def choose_name(name: str | None, stem: str, version: str) -> str:
    """Return the name of a component that is made: the one that is given, or what can be kept of a file's name."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", stem) if not unicodedata.combining(letter))
    chosen = name or re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._") or "model"
    check_option("--name", chosen, check_name)
    check_option("--version", version, parse_version)
    return chosen


#: what numpy and torch both take
SEED = click.IntRange(0, 2**32 - 1)


def check_output(folder: Path) -> None:
    """Check, before work begins, that a folder can be made and written to.

    Raises:
        EdgeAgentError: it can't; the text names what is in the way.
    """
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not existing.is_dir():
        raise EdgeAgentError(f"{existing} is not a folder, so nothing can be written to {folder}")
    if not os.access(existing, os.W_OK | os.X_OK):
        said = describe_refusal(PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(existing / "new")))
        raise EdgeAgentError(f"nothing can be written to {folder}: {said}")


def socket_option(function: _F) -> _F:
    """Add --socket, for a command that talks to a daemon."""
    return click.option(
        "--socket",
        default=DEFAULT_SOCKET,
        envvar="EDGE_AGENT_SOCKET",
        metavar="unix:///PATH",
        help="Address of the daemon (also the variable EDGE_AGENT_SOCKET).",
        show_default=True,
    )(function)


def json_option(function: _F) -> _F:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)
