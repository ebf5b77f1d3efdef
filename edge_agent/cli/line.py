"""edge-agent line."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from PIL import Image

from edge_agent.cli.output import check_output, json_option, print_json, print_table
from edge_agent.errors import EdgeAgentError
from edge_agent.inference.imaging.overlay import draw
from edge_agent.line.outputs.pins import Pins
from edge_agent.line.outputs.telling import line_folder
from edge_agent.line.reading import read_line, read_outputs
from edge_agent.line.running import CONFIGURED, KnownLine, known_lines, read_standing
from edge_agent.line.status import Status
from edge_agent.line.supervisor import Supervisor
from edge_agent.line.tables.triggers import Command
from edge_agent.logs import log_to_stderr

_FILE = click.Path(path_type=Path)
_COUNTS = ("passed", "rejected", "looked", "failed", "early", "late")


class _Group(click.Group):
    """`edge-agent line line.toml` is `edge-agent line run line.toml`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands and args[0].endswith(".toml"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Group, epilog="Example: edge-agent line line.toml")
def command() -> None:
    """Run a line: pictures of a folder, a camera or a program, steps, a model, rules, output pins and events.

    docs/line.md explains the file. `edge-agent line FILE` is `edge-agent line run FILE`.
    """


@command.command(epilog="Example: edge-agent line run line.toml --parts 100")
@click.argument("file", type=_FILE)
@click.option("--parts", type=click.IntRange(1), help="End after so many parts.")
def run(file: Path, parts: int | None) -> None:
    """Run the line FILE until SIGTERM or SIGINT."""
    line = read_line(file)
    log_to_stderr("info")
    Supervisor(file, line, parts or 0).run()


@command.command(epilog="Example: edge-agent line check line.toml")
@click.argument("file", type=_FILE)
def check(file: Path) -> None:
    """Tell what is wrong with FILE, every mistake at once."""
    line = read_line(file)
    click.echo(f"{file}: line '{line.name}' is right")


@command.command("try", epilog="Example: edge-agent line try line.toml --output tried")
@click.argument("file", type=_FILE)
@click.option("--count", type=click.IntRange(1), default=10, show_default=True, help="How many pictures.")
@click.option("--output", type=_FILE, metavar="DIR", help="Write each picture to DIR, with what was found in it.")
@click.option(
    "--wait", type=click.FloatRange(0, 86_400), default=10, show_default=True, metavar="SECONDS",
    help="How long to wait for each picture, also for its trigger.",
)  # fmt: skip
@json_option
def try_(file: Path, count: int, output: Path | None, wait: float, as_json: bool) -> None:
    """Show what would be decided of pictures, without any output. Files of a folder stay where they are."""
    from edge_agent.line.trial import try_line

    line = read_line(file)
    if output is not None:
        check_output(output)
        output.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
    for part, outcome, reason, seen in try_line(line, count, wait):
        took = round(seen.milliseconds, 3) if seen else 0.0
        found.append({"part": part, "outcome": outcome, "reason": reason, "milliseconds": took})
        if output is not None and seen is not None:
            marked = Image.fromarray(draw(seen.picture, seen.detection))
            marked.save(output / f"{len(found):03}-{outcome}-{Path(part).stem}.png")
    if as_json:
        print_json(found)
        return
    if not found:
        raise EdgeAgentError(f"{file}: the source has no picture that could be tried")
    rows = [(row["part"], row["outcome"], row["reason"], f"{row['milliseconds']:.1f}") for row in found]
    print_table(("PART", "OUTCOME", "REASON", "MS"), rows, right=("MS",))


@command.command(epilog="Example: edge-agent line record line.toml training/normal --count 50")
@click.argument("file", type=_FILE)
@click.argument("folder", type=_FILE)
@click.option("--count", type=click.IntRange(1), default=50, show_default=True, help="How many pictures.")
@click.option(
    "--wait", type=click.FloatRange(0, 86_400), default=10, show_default=True, metavar="SECONDS",
    help="How long to wait for each picture, also for its trigger.",
)  # fmt: skip
def record(file: Path, folder: Path, count: int, wait: float) -> None:
    """Store pictures for training in FOLDER, as the model would see them: after the steps, as PNG.

    Each tile is a picture. Of several models each has a folder of its own.
    """
    from edge_agent.line.steps.apply import apply
    from edge_agent.line.trial import some_parts
    from edge_agent.line.views import views

    line = read_line(file)
    check_output(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stored, problems = 0, []
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%S")
    for number, part in enumerate(some_parts(line, count, wait), 1):
        if part.pixels is None:
            problems.append(part.problem)
            continue
        for look, view in enumerate(looks := views(line.model, apply(line.step, part.pixels))):
            which = f"-{look}" if len(looks) > 1 else ""
            into = folder / line.model[view.model].name if len(line.model) > 1 else folder
            into.mkdir(exist_ok=True)
            name = f"{line.name}-{now}-{number:05}-{Path(part.name).stem}{which}.png"
            Image.fromarray(view.pixels).save(into / name)
            stored += 1
    click.echo(f"{stored} {'picture' if stored == 1 else 'pictures'} stored in {folder}")
    if problems:
        raise EdgeAgentError(*problems)


@command.command(epilog="Example: edge-agent line status line.toml")
@click.argument("file", type=_FILE)
@json_option
def status(file: Path, as_json: bool) -> None:
    """Show what the line has counted since it was started."""
    line = read_line(file)
    found, pins = read_standing(line_folder(line), 10 + line.cycle)
    if as_json:
        print_json(msgspec.to_builtins(found) | {"running": found.is_running(), "pins": msgspec.to_builtins(pins)})
        return
    click.echo(f"line '{line.name}' {'can inspect' if found.able else 'can not inspect: ' + found.problem}")
    print_table([name.upper() for name in _COUNTS], [[str(getattr(found, name)) for name in _COUNTS]], right=())
    click.echo(f"camera: {found.camera}, lost {found.source_failures} times")
    if found.last is not None:
        last, used = found.last, f"{found.longest_ms:.0f} of {found.cycle_ms:g} ms"
        click.echo(f"last part: {last.part}, {last.outcome}, {last.reason}; the longest took {used}")
    for pin in pins:
        value = "can't be set" if pin.value is None else pin.value
        click.echo(f"pin '{pin.on}', {pin.place}: {value}")


@command.command("list", epilog="Example: edge-agent line list")
@click.option("--lines", "folder", type=_FILE, default=CONFIGURED, show_default=True, help="Folder of lines' files.")
@click.option("--state-dir", type=_FILE, metavar="DIR", help="State folder of who runs them, where not as usual.")
@json_option
def list_(folder: Path, state_dir: Path | None, as_json: bool) -> None:
    """Show the lines of this device: those that run, have run, or are configured."""
    lines = known_lines(folder, (state_dir,) if state_dir is not None else ())
    if as_json:
        print_json([_described(line) for line in lines])
        return
    rows = []
    for line in lines:
        status = line.status or Status()
        problem = line.problem or ("" if line.status is None else line.status.problem)
        counts = [str(getattr(status, name)) if line.status is not None else "" for name in _COUNTS]
        rows.append([line.name, line.state, *counts, problem, line.file])
    print_table(["LINE", "STATE", *(name.upper() for name in _COUNTS), "PROBLEM", "FILE"], rows, right=())


def _described(line: KnownLine) -> dict[str, Any]:
    told = {"name": line.name, "state": line.state, "file": line.file, "configured": line.is_configured}
    picture = None if line.picture is None else str(line.picture)
    status = None if line.status is None else msgspec.to_builtins(line.status)
    return {**told, "problem": line.problem, "pins": msgspec.to_builtins(line.pins), "picture": picture,
            "status": status}  # fmt: skip


@command.command(epilog="Example: edge-agent line safe line.toml")
@click.argument("file", type=_FILE)
def safe(file: Path) -> None:
    """Make the line's pins safe: for systemd, after a line whose processes were all killed."""
    tables, problems = read_outputs(file)
    log_to_stderr("info")
    pins = Pins(tables)
    pins.close()
    problems += [f"pin '{pin.on}' was not made safe" for pin, value in pins.values() if value is None]
    if problems:
        raise EdgeAgentError(*problems)


@command.command(epilog="Example: edge-agent line trigger line.toml --part 4711")
@click.argument("file", type=_FILE)
@click.option("--part", "name", default="", metavar="ID", help="What events call the part.")
@json_option
def trigger(file: Path, name: str, as_json: bool) -> None:
    """Announce a part to the line FILE, whose trigger has the kind "command"; tell what was decided."""
    from edge_agent.line.listening.command import trigger as announce

    line = read_line(file)
    if not isinstance(line.trigger, Command):
        raise EdgeAgentError(f"{file}: line '{line.name}' has no trigger of the kind 'command'")
    said = announce(line_folder(line), name)
    if as_json:
        print_json(said)
    else:
        click.echo(f"part {said['part_id']}: {said['outcome']}, {said['reason']}")
