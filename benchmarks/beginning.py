"""What every benchmark begins with: a command line whose --help says what it measures, and an orderly end."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.ending import end_what_was_started


def command_line(name: str, doc: str | None, *, usage: str | None = None) -> argparse.ArgumentParser:
    """Make the parser of `python -m benchmarks.NAME`, whose help is the module's docstring."""
    return argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        usage=usage,
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def begin(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, and have SIGTERM and Ctrl-C end what this process starts from now on."""
    given = parser.parse_args(arguments)
    end_what_was_started()
    return given
