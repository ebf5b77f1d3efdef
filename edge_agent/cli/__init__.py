"""The command line: `edge-agent COMMAND`. Commands are loaded when they are used, so that each starts fast."""

from __future__ import annotations

import importlib
import io
import keyword
import os
import signal
import sys
from typing import Any

import click

from edge_agent.access.rights import describe_refusal
from edge_agent.cli.native import check_libraries
from edge_agent.errors import EdgeAgentError
from edge_agent.version import __version__

EXIT_FAILED = 1  # it failed, and one line says why
EXIT_USAGE = 2  # click's own: wrong usage

_COMMANDS = {
    "serve": "run the daemon",
    "demo": "build a sample model, serve it, send it pictures, show what comes back",
    "doctor": "tell whether this device can run its model components, and what is missing",
    "models": "list, describe, start and stop models",
    "healthcheck": "tell a container or a nucleus by the exit code whether the daemon and its models serve",
    "detect": "send pictures to a running model",
    "line": "run a line: from camera or folder to outputs and events, without writing a program",
    "audit": "show who did what to which model, and whether that was changed afterwards",
    "records": "what the daemon has seen and said: list, show, count, confirm",
    "dataset": "check, show and convert labelled pictures",
    "train": "build a model component of labelled pictures",
    "evaluate": "measure a model component on labelled pictures",
    "studio": "serve a page for pictures, labels, training, trials and deployment",
    "cloud": "answer scripts that were written for the cloud service: its own API, and a small S3",
    "import": "make a model component of a model that someone else made",
    "sign": "sign model components, check signatures, and make keys",
    "package": "make a Greengrass component of a model component",
    "bench": "measure this device with a model",
    "support-bundle": "write an archive of logs, settings and findings for whoever helps",
}

#: those that load numpy or OpenCV; doctor looks for itself
_NATIVE = {
    "demo", "models", "detect", "records", "dataset", "train", "evaluate", "import", "bench", "support-bundle",
}  # fmt: skip


class _LazyGroup(click.Group):
    """Finds the command NAME in the module edge_agent.cli.NAME, or NAME_ where that is a word of Python."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name in _NATIVE:
            check_libraries()
        module = f"edge_agent.cli.{cmd_name.replace('-', '_')}" + "_" * keyword.iskeyword(cmd_name)
        command: click.Command = importlib.import_module(module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Example: edge-agent demo --output sample  (then: edge-agent serve --model-dir sample/models)",
)
@click.version_option(__version__, message="edge-agent %(version)s")
def command() -> None:
    """Serve image anomaly models to inspection applications.

    A client sends a picture over gRPC on a Unix socket, its pixels in POSIX shared memory, and learns whether the part
    is normal or anomalous, how sure that is, where, and what kind.
    """


def _explain(error: ImportError) -> str:
    from edge_agent.hardware.library import describe_library  # where nothing is wrong, nobody needs it

    text = str(error).strip() or type(error).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    package = describe_library(error.name.partition(".")[0]) if error.name else "a package"
    return f"{package} can't be loaded: {lines[0]}"


def main() -> Any:
    """Entry point: what a user can cause ends with one line and exit code 1, never with a traceback."""
    # As an exception, so that what is open is closed; serve has its own way of ending.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    for stream in (sys.stdout, sys.stderr):  # a file's name need not be text in the terminal's encoding
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        command(prog_name="edge-agent")
    except EdgeAgentError as error:
        click.echo(f"edge-agent: {error}", err=True)
        sys.exit(EXIT_FAILED)
    except ImportError as error:  # a package that is missing, or damaged, and that the command did not look for
        click.echo(f"edge-agent: {_explain(error)}", err=True)
        sys.exit(EXIT_FAILED)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # the reader of a pipe, such as head, has seen enough
            about = f"{error.filename}: " if error.filename else ""
            click.echo(f"edge-agent: {about}{describe_refusal(error)}", err=True)
        # What could not be written must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)
