"""The one place where the command line of a child process is made."""

from __future__ import annotations

import sys
from pathlib import Path

_START = Path(__file__).resolve().with_name("start.py")


def child_command(module: str, *arguments: str) -> list[str]:
    """Give the command that runs `main()` of a module of this package in a process of its own.

    Nothing in the folder that it is started in is imported (start.py says how), and the package is the parent's own.
    """
    isolated = ["-I"] if sys.flags.isolated else []  # as the Debian package's program is: it heeds no PYTHONPATH
    return [sys.executable, *isolated, str(_START), module, *arguments]
