"""The order of the files: those that take longest first, so that no core is idle at the end."""

from __future__ import annotations

import functools
import re
from pathlib import Path

#: what starts processes: daemons, studios, commands; what trains
_STARTING = re.compile(
    r": (Daemon|Studio|Cloud|Place)\b|\brunning_\w+\(|\bsubprocess\.|tests\.support\.commands"
    r"|\btrain\(|\bregistration_of\("
)


@functools.cache
def starts_processes(path: Path) -> bool:
    """Tell whether a file's tests start processes, or train models; the others take seconds at the most."""
    return bool(_STARTING.search(path.read_text()))
